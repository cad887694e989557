/**
 * The events of one interface: read when its socket was woken up, and, since such a wake-up may be missed, on a timer.
 */
import type { BackendEventSink, BackendStats } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { isErrno, type OvpnExchange } from "./exchange.ts";
import { type Notification, type PeerCounters, readNotification, readPending } from "./messages.ts";

/** The kernel's ring holds no more: who finds it full must suppose that some were dropped. */
export const EVENT_RING = 31;

/** How often the ring is looked at without a wake-up. */
const LOOK_MS = 250;

/** Peers of this id are the backend's own: it means "undefined" on the wire, and no caller can have it. */
export const PARKING_PEER = 0xffffff;

/** Reads the events of an interface into a sink. */
export class OvpnEvents {
  readonly #exchange: OvpnExchange;
  readonly #sink: BackendEventSink;
  readonly #timer: NodeJS.Timeout;
  #permissionLost = false;
  #stopped = false;

  constructor(exchange: OvpnExchange, sink: BackendEventSink) {
    this.#exchange = exchange;
    this.#sink = sink;
    this.#timer = setInterval(() => this.drain(), LOOK_MS);
    this.#timer.unref();
  }

  /** Reads all that is there. What goes wrong is told as an event. */
  drain(): void {
    if (this.#stopped) return;
    try {
      const pending = readPending(this.#exchange.get("POLL_PKT"));
      this.#permissionLost = false;
      if (pending === 0) return;
      // The kernel may add while this reads: then there is more than was said.
      for (let event = this.#next(); event; event = this.#next()) this.#tell(event);
      if (pending >= EVENT_RING) this.#sink({ type: "overflow", lost: undefined });
    } catch (error) {
      this.#fail(error);
    }
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  #next(): Notification | undefined {
    try {
      return readNotification(this.#exchange.get("GET_PKT"));
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  #tell(event: Notification): void {
    const { peer } = event;
    if (peer === PARKING_PEER) return;
    switch (event.type) {
      case "deleted": {
        const reason = event.reason === 1 ? "expired" : event.reason === 0 ? "userspace" : "unknown";
        const finalStats = event.counters && statsOf(peer, event.counters);
        this.#sink({ type: "peer-deleted", peer, reason, ...(finalStats && { finalStats }) });
        break;
      }
      case "rotate-key":
        this.#sink({ type: "rekey-advised", peer });
        break;
      case "float":
        this.#sink({ type: "peer-floated", peer, remote: event.remote });
        break;
      case "unknown":
        this.#sink({ type: "unknown", native: event.number, detail: "a notification of a newer kernel" });
    }
  }

  #fail(error: unknown): void {
    // The interface is gone, or another has its name: the routing socket tells.
    if (isErrno(error, "ENXIO")) return;
    if (isErrno(error, "EPERM")) {
      if (!this.#permissionLost) {
        this.#permissionLost = true;
        this.#sink({ type: "permission-lost", message: "events may be read by root only" });
      }
      return;
    }
    const detail = `events cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    this.#sink({ type: "unknown", native: (DcoError.is(error) && error.native?.number) || 0, detail });
  }
}

/** Inner packets and bytes: the kernel counts nothing else. */
export function statsOf(id: number, { packets, bytes }: PeerCounters): BackendStats {
  const rx = { rxBytes: bytes.in, rxPackets: packets.in };
  return { id, link: undefined, tunnel: { ...rx, txBytes: bytes.out, txPackets: packets.out } };
}
