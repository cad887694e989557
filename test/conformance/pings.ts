/**
 * Pings of which each is awaited before the next.
 */
import type { PingOptions, PingResult } from "./world.ts";

/**
 * Where it is this process that carries the packets: after the first answer programs wait for others no longer than
 * twice as long as that took.
 *
 * @param ping sends as many as it is told
 */
export async function pingOneByOne(
  { count = 3, ...options }: PingOptions,
  ping: (options: PingOptions) => Promise<PingResult>,
): Promise<PingResult> {
  const total = { sent: 0, received: 0, output: "" };
  for (let n = 0; n < count; n++) {
    const one = await ping({ ...options, count: 1 });
    total.sent += one.sent;
    total.received += one.received;
    total.output += one.output;
  }
  return total;
}
