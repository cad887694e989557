/**
 * Which interfaces there are: of all drivers of this process, since a name is given once.
 */
import { DcoError } from "../core/errors.ts";
import type { InterfaceInfo, OwnerMarker } from "../core/model.ts";

/** An interface, as others see it. */
export interface Registered {
  readonly name: string;
  /** Where it is that others may have the same name: another network namespace. */
  readonly place: string | undefined;
  /** Undefined if it is just going. */
  readonly info: InterfaceInfo | undefined;
  /** Takes it away from whoever has it. */
  remove(): Promise<void>;
}

/** What is given to interfaces without a name, with a number behind it. */
const PREFIX = "userspace";

/** The names that are taken, in each place. */
export class Registry {
  readonly #interfaces = new Map<string, Registered>();

  get(name: string, place?: string): Registered | undefined {
    return this.#interfaces.get(keyOf({ name, place }));
  }

  all(place?: string): Registered[] {
    return [...this.#interfaces.values()].filter((each) => each.place === place);
  }

  /** The first name that is free. */
  freeName(): string {
    for (let number = 0; ; number++) if (!this.get(PREFIX + number)) return PREFIX + number;
  }

  /** Errors: `exists`. */
  add(entry: Registered): void {
    if (this.#interfaces.has(keyOf(entry))) {
      throw new DcoError("exists", `there is an interface ${entry.name} already`, { effect: "none" });
    }
    this.#interfaces.set(keyOf(entry), entry);
  }

  remove(entry: Registered): void {
    if (this.#interfaces.get(keyOf(entry)) === entry) this.#interfaces.delete(keyOf(entry));
  }
}

/** A name holds no slash. */
function keyOf({ name, place = "" }: Pick<Registered, "name"> & { readonly place?: string | undefined }) {
  return `${place}/${name}`;
}

/** Of this process. */
export const PROCESS_REGISTRY = new Registry();

/** Whose they are: this process', which is alive while somebody can ask. */
export function ownerMarker(): OwnerMarker {
  return { pid: process.pid, startTime: String(Math.round(performance.timeOrigin)), alive: true };
}
