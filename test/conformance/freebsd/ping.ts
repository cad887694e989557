/**
 * Pings by FreeBSD's program, which counts requests from 0 and its answers otherwise.
 */
import { MOST_UNDER_WAY } from "../linux/ping.ts";
import type { Resident } from "../linux/resident.ts";
import type { PingOptions, RunningPing } from "../world.ts";

/** After this long, in seconds, a ping that nobody stopped ends by itself. */
const LONGEST = 120;

/**
 * See `World.startPing`.
 *
 * @param most requests that may be under way when it is stopped
 */
export function startPing(
  at: Resident,
  to: string,
  options: PingOptions = {},
  most = MOST_UNDER_WAY,
): RunningPing {
  const { count, size = 56, interval = 0.05, wait = 5 } = options;
  const patience = `-W ${Math.ceil(wait * 1000)}`;
  const limit = count === undefined ? `-t ${LONGEST}` : `-c ${count}`;
  // Else it has packets cut to the least MTU of IPv6, whatever the interface's is.
  const whole = to.includes(":") ? "-u -u" : "";
  const job = at.start(`exec ping -n ${whole} ${limit} -i ${interval} ${patience} -s ${size} ${to}`);
  const result = job.ended.then(({ output }) => {
    const counts = /(\d+) packets transmitted, (\d+) packets received/.exec(output);
    if (!counts) throw new Error(`ping ${to}: ${output || "no output"}`);
    const sent = Number(counts[1]) - (count === undefined ? underWay(output, Number(counts[1]), most) : 0);
    return { sent, received: Number(counts[2]), output: inShort(output) };
  });
  result.catch(() => {});
  return {
    answered: () => job.output().match(/bytes from/g)?.length ?? 0,
    stop: async () => {
      if (count === undefined) await job.signal("SIGINT");
      return result;
    },
  };
}

/** Requests that were on their way when ping was stopped: the last ones, while all before were answered. */
function underWay(output: string, sent: number, most: number): number {
  const answered = [...output.matchAll(/icmp_seq=(\d+)/g)].map((match) => Number(match[1]) + 1);
  const after = sent - Math.max(0, ...answered);
  return after <= most ? after : 0;
}

/** Without the lines of the single answers. */
function inShort(output: string): string {
  const lines = output.split("\n");
  return lines.filter((line) => line.trim() !== "" && !line.includes("bytes from")).join("\n");
}
