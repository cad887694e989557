/**
 * Pings through a tunnel for as long as it is observed.
 */
import { inTime } from "../conformance/expect.ts";
import type { Job, Resident } from "../conformance/linux/resident.ts";

/** Seconds after which a ping that nobody stopped ends by itself. */
const LONGEST = 1200;

/** Seconds between two requests. */
const INTERVAL = 0.2;

/** Requests that may be without an answer because they are under way. */
const UNDER_WAY = 3;

/** Bytes of such a packet inside the tunnel. */
export const PACKET_BYTES = 84;

/** A ping that goes on until it is stopped. */
export class Traffic {
  readonly #job: Job;
  readonly #ignored = new Set<number>();

  constructor(at: Resident, to: string) {
    this.#job = at.start(`exec ping -n -i ${INTERVAL} -w ${LONGEST} ${to}`);
  }

  /** Answers so far. */
  answered(): number {
    return this.#answers().size;
  }

  /** Requests that got no answer, by their numbers; the last ones may be under way. */
  lost(): number[] {
    const answers = this.#answers();
    const last = Math.max(0, ...answers);
    const lost: number[] = [];
    for (let n = 1; n <= last - UNDER_WAY; n++) {
      if (!answers.has(n) && !this.#ignored.has(n)) lost.push(n);
    }
    return lost;
  }

  /** What is lost until now was to be expected. */
  forgive(): void {
    for (let n = 1, last = Math.max(0, ...this.#answers()); n <= last; n++) this.#ignored.add(n);
  }

  /** Fails if a request was lost, or nothing was answered since `answered`. */
  check(answered = 0): void {
    const lost = this.lost();
    if (lost.length > 0) throw new Error(`lost pings: ${lost.join(", ")} of ${this.answered()} answered`);
    if (this.answered() <= answered) throw new Error(`no ping was answered after ${answered} answers`);
  }

  /** Stopping it twice does nothing. */
  async stop(): Promise<void> {
    await this.#job.signal("SIGINT");
    await inTime(this.#job.ended, "the end of ping");
  }

  #answers(): Set<number> {
    const answers = this.#job.output().matchAll(/bytes from .* icmp_seq=(\d+)/g);
    return new Set([...answers].map((match) => Number(match[1])));
  }
}
