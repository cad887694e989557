/**
 * Pings through the tunnel, counted.
 */
import { setTimeout as delay } from "node:timers/promises";
import { finished, inside, start } from "./command.ts";
import type { Host } from "./lab.ts";

/** What came of a ping. */
export interface PingCount {
  readonly sent: number;
  readonly received: number;
}

/** Sends so many echo requests, 100 ms apart, and counts the replies. Losses are in the count, no error. */
export async function ping(from: Host, to: string, count: number, signal: AbortSignal): Promise<PingCount> {
  // -w bounds it when replies are missing.
  const command = inside(from.namespace, "ping", "-n", "-c", `${count}`, "-i", "0.1", "-w", "10", to);
  const child = start(command, signal);
  // 1: less replies than requests.
  return readPingCount(await finished(child, [0, 1]));
}

/** The numbers of ping's last lines. */
export function readPingCount(output: string): PingCount {
  const found = /(\d+) packets transmitted, (\d+) received/.exec(output);
  if (!found) throw new Error(`ping did not say what it counted: ${output.trim()}`);
  return { sent: Number(found[1]), received: Number(found[2]) };
}

/** A ping that goes on until it is stopped, and knows each request that stayed without a reply. */
export class ContinuousPing {
  readonly #child: ReturnType<typeof start>;
  readonly #end: Promise<string>;
  readonly #replies = new Set<number>();
  #highest = 0;
  #ended = false;

  constructor(from: Host, to: string, milliseconds: number, signal: AbortSignal) {
    const command = ["ping", "-n", "-i", `${milliseconds / 1000}`, "-w", "120", to];
    this.#child = start(inside(from.namespace, ...command), signal);
    this.#end = finished(this.#child, [0, 1]);
    this.#end
      .catch(() => {})
      .finally(() => {
        this.#ended = true;
      });
    let rest = "";
    this.#child.stdout.on("data", (text: string) => {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#read(line);
    });
  }

  /** Requests up to the last one that was answered, and the replies to them. */
  get count(): PingCount {
    return { sent: this.#highest, received: this.#replies.size };
  }

  /** Waits for more replies from now on. */
  async more(replies: number, signal: AbortSignal): Promise<void> {
    const wanted = this.#replies.size + replies;
    while (this.#replies.size < wanted) {
      if (this.#ended) throw new Error(`ping ended early: ${await this.#end}`);
      await delay(20, undefined, { signal });
    }
  }

  /** Ends it. What was still under way does not count. */
  async stop(): Promise<PingCount> {
    this.#child.kill("SIGINT");
    await this.#end;
    return this.count;
  }

  #read(line: string): void {
    const sequence = Number(/ bytes from .* icmp_seq=(\d+)/.exec(line)?.[1] ?? 0);
    if (sequence === 0) return;
    this.#replies.add(sequence);
    this.#highest = Math.max(this.#highest, sequence);
  }
}
