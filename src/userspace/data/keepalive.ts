/**
 * Pings when nothing was sent for a while, and the end of a peer from which nothing was received for a while.
 */
import type { Keepalive } from "../../core/model.ts";
import type { Clock } from "../clock.ts";

/** What it does. */
export interface KeepaliveActions {
  ping(): void;
  expire(): void;
}

/** The keepalive of one peer. */
export class KeepaliveTimer {
  readonly #clock: Clock;
  readonly #actions: KeepaliveActions;
  #keepalive: Keepalive | "off" = "off";
  #lastSent = 0;
  #lastReceived = 0;
  #lastTried = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, actions: KeepaliveActions) {
    this.#clock = clock;
    this.#actions = actions;
  }

  get keepalive(): Keepalive | "off" {
    return this.#keepalive;
  }

  /** Nothing was received for too long, though nobody may have looked yet. */
  get overdue(): boolean {
    return this.#keepalive !== "off" && this.#clock.now() >= this.#expires;
  }

  /** Starts both times anew. */
  set(keepalive: Keepalive | "off"): void {
    this.#keepalive = keepalive;
    this.#lastSent = this.#lastReceived = this.#lastTried = this.#clock.now();
    this.#schedule();
  }

  /** A data packet went out. */
  sent(): void {
    if (this.#keepalive !== "off") this.#lastSent = this.#clock.now();
  }

  /** An authenticated packet came. */
  received(now: number): void {
    this.#lastReceived = now;
  }

  stop(): void {
    this.#keepalive = "off";
    this.#schedule();
  }

  get #expires(): number {
    return this.#keepalive === "off" ? Infinity : this.#lastReceived + 1000 * this.#keepalive.timeout;
  }

  get #pings(): number {
    if (this.#keepalive === "off") return Infinity;
    // A ping that could not be sent is tried again after another interval.
    return Math.max(this.#lastSent, this.#lastTried) + 1000 * this.#keepalive.interval;
  }

  #schedule(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#keepalive === "off") return;
    const due = Math.min(this.#expires, this.#pings);
    this.#cancel = this.#clock.after(Math.max(0, Math.ceil(due - this.#clock.now())), () => {
      this.#cancel = undefined;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    // The process may have been busy while packets of the peer came in.
    if (this.overdue) await this.#clock.caughtUp();
    if (this.#keepalive === "off") return;
    if (this.overdue) {
      this.stop();
      this.#actions.expire();
      return;
    }
    if (this.#clock.now() >= this.#pings) {
      this.#lastTried = this.#clock.now();
      this.#actions.ping();
    }
    this.#schedule();
  }
}
