/**
 * Pings by the program of iputils.
 */
import type { PingOptions, RunningPing } from "../world.ts";
import type { Resident } from "./resident.ts";

/** After this long, in seconds, a ping that nobody stopped ends by itself. */
const LONGEST = 120;

/** More unanswered requests at the end than this are a loss, even if ping was stopped: where a kernel carries them. */
export const MOST_UNDER_WAY = 3;

/** The same where this process carries them, which does other things as well. */
export const MOST_UNDER_WAY_HERE = 100;

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
  const limit = count === undefined ? `-w ${LONGEST}` : `-c ${count}`;
  const job = at.start(`exec ping -n ${limit} -i ${interval} -W ${wait} -s ${size} ${to}`);
  const result = job.ended.then(({ output }) => {
    const counts = /(\d+) packets transmitted, (\d+) received/.exec(output);
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
  const answered = [...output.matchAll(/icmp_seq=(\d+)/g)].map((match) => Number(match[1]));
  const after = sent - Math.max(0, ...answered);
  return after <= most ? after : 0;
}

/** Without the lines of the single answers. */
function inShort(output: string): string {
  const lines = output.split("\n");
  return lines.filter((line) => line.trim() !== "" && !line.includes("bytes from")).join("\n");
}
