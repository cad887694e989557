/**
 * Which interfaces there are: of all drivers of this process, since a name is given once.
 */
import { DcoError } from "../core/errors.ts";
import type { InterfaceInfo, OwnerMarker } from "../core/model.ts";

/** An interface, as others see it. */
export interface Registered {
  readonly name: string;
  readonly info: InterfaceInfo;
  /** Takes it away from whoever has it. */
  remove(): Promise<void>;
}

/** What is given to interfaces without a name, with a number behind it. */
const PREFIX = "userspace";

/** The names that are taken. */
export class Registry {
  readonly #interfaces = new Map<string, Registered>();

  get(name: string): Registered | undefined {
    return this.#interfaces.get(name);
  }

  all(): Registered[] {
    return [...this.#interfaces.values()];
  }

  /** The first name that is free. */
  freeName(): string {
    for (let number = 0; ; number++) if (!this.#interfaces.has(PREFIX + number)) return PREFIX + number;
  }

  /** Errors: `exists`. */
  add(entry: Registered): void {
    if (this.#interfaces.has(entry.name)) {
      throw new DcoError("exists", `there is an interface ${entry.name} already`, { effect: "none" });
    }
    this.#interfaces.set(entry.name, entry);
  }

  remove(entry: Registered): void {
    if (this.#interfaces.get(entry.name) === entry) this.#interfaces.delete(entry.name);
  }
}

/** Of this process. */
export const PROCESS_REGISTRY = new Registry();

/** Whose they are: this process', which is alive while somebody can ask. */
export function ownerMarker(): OwnerMarker {
  return { pid: process.pid, startTime: String(Math.round(performance.timeOrigin)), alive: true };
}
