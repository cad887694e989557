/**
 * Things that go wrong when a test wants them to.
 */
import type { BackendInterface, BackendTransport } from "../core/backend.ts";
import type { DcoError } from "../core/errors.ts";
import type { DataSocket } from "../userspace/data/data-socket.ts";

/** What becomes of a packet on its way out. */
export type Fate = "deliver" | "drop" | "duplicate" | "corrupt" | "delay";

/** Verbs that can be made to fail as if the kernel had refused them. */
export const FAILING_VERBS = [
  "configure",
  "openTransport",
  "addPeer",
  "setPeer",
  "removePeer",
  "peer",
  "peers",
  "stats",
  "installKey",
  "swapKeys",
  "deleteKey",
  "keys",
] as const;

/** One of {@link FAILING_VERBS}. */
export type FailingVerb = (typeof FAILING_VERBS)[number];

/** The faults of one driver. */
export class Faults {
  /**
   * Decides about each UDP packet that is sent, data and control; default: all are delivered. `corrupt` changes the last
   * byte, `delay` sends the packet after the next one.
   */
  fate: (packet: Uint8Array) => Fate = () => "deliver";
  readonly #failures = new Map<FailingVerb, DcoError[]>();

  /** The next call of this verb that reaches the backend fails with this error; called again, the one after it. */
  failNext(verb: FailingVerb, error: DcoError): void {
    const waiting = this.#failures.get(verb);
    if (waiting) waiting.push(error);
    else this.#failures.set(verb, [error]);
  }

  /** Lets an interface and its transports have these faults. */
  apply(dco: BackendInterface): BackendInterface {
    for (const verb of FAILING_VERBS) {
      const real = dco[verb].bind(dco) as (...args: unknown[]) => Promise<unknown>;
      const faulty = async (...args: unknown[]) => {
        const error = this.#failures.get(verb)?.shift();
        if (error) throw error;
        const result = await real(...args);
        if (verb === "openTransport") this.#spoil(result as BackendTransport & DataSocket);
        return result;
      };
      Object.defineProperty(dco, verb, { value: faulty });
    }
    return dco;
  }

  #spoil(transport: BackendTransport & DataSocket): void {
    if (transport.protocol !== "udp") return;
    const { send, sendData } = transport;
    let delayed: (() => unknown)[] = [];
    const decide = <T>(packet: Uint8Array, sent: T, really: (packet: Uint8Array) => T): T => {
      const fate = this.fate(packet);
      const before = delayed;
      delayed = [];
      if (fate === "delay") delayed.push(() => really(packet));
      else if (fate !== "drop") {
        sent = really(fate === "corrupt" ? corrupted(packet) : packet);
        if (fate === "duplicate") really(packet);
      }
      for (const late of before) late();
      return sent;
    };
    transport.send = (packet, to) =>
      decide(packet, Promise.resolve(), (each) => send.call(transport, each, to));
    transport.sendData = (packet, to) =>
      decide(packet, true, (each) => sendData.call(transport, each as Buffer, to));
  }
}

function corrupted(packet: Uint8Array): Buffer {
  const changed = Buffer.from(packet);
  const last = changed.length - 1;
  changed[last] = (changed[last] as number) ^ 0xff;
  return changed;
}
