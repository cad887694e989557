/**
 * The simulator of the driver as cases of the suite use it: all its adapters, found by their instances.
 */
import type { Endpoint } from "../../../src/core/model.ts";
import { packSockaddr } from "../../../src/ffi/sockaddr.ts";
import { Simulator as Adapter, type State } from "../../windows/simulator.ts";

/** All adapters of the simulator. */
export class Simulator {
  readonly #adapters: readonly Adapter[];

  private constructor(adapters: readonly Adapter[]) {
    this.#adapters = adapters;
  }

  /** Undefined where the driver is the real one. */
  static async open(): Promise<Simulator | undefined> {
    let first: Adapter;
    try {
      first = new Adapter(0);
    } catch {
      return undefined;
    }
    const { adapters } = await first.state();
    const others = Array.from({ length: adapters - 1 }, (_, n) => new Adapter(n + 1));
    return new Simulator([first, ...others]);
  }

  get count(): number {
    return this.#adapters.length;
  }

  /** @param number from 0, in the order in which they were started */
  at(number: number): Adapter {
    return this.#adapters[number] as Adapter;
  }

  states(): Promise<State[]> {
    return Promise.all(this.#adapters.map((adapter) => adapter.state()));
  }

  /** The number of the adapter with this instance. */
  async numberOf(instance: string): Promise<number> {
    const states = await this.states();
    const found = states.findIndex((state) => state.instance.toLowerCase() === instance.toLowerCase());
    if (found < 0) throw new Error(`the simulator has no adapter ${instance}`);
    return found;
  }

  close(): void {
    for (const adapter of this.#adapters) adapter.close();
  }
}

/** OVPN_NOTIFY_EVENT. */
export function notifyEvent(command: number, peer: number, reason: number, address?: Endpoint): Buffer {
  const event = Buffer.alloc(144);
  event.writeInt32LE(command, 0);
  event.writeInt32LE(peer, 4);
  event.writeInt32LE(reason, 8);
  if (address) event.set(packSockaddr(address, "win32"), 16);
  return event;
}
