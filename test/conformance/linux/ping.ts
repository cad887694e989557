/**
 * Pings by the program of iputils.
 */
import type { PingOptions, RunningPing } from "../world.ts";
import type { Resident } from "./resident.ts";

/** After this long, in seconds, a ping that nobody stopped ends by itself. */
const LONGEST = 120;

/** See `World.startPing`. */
export function startPing(at: Resident, to: string, options: PingOptions = {}): RunningPing {
  const { count, size = 56, interval = 0.05, wait = 5 } = options;
  const limit = count === undefined ? `-w ${LONGEST}` : `-c ${count}`;
  const job = at.start(`exec ping -n ${limit} -i ${interval} -W ${wait} -s ${size} ${to}`);
  const result = job.ended.then(({ output }) => {
    const counts = /(\d+) packets transmitted, (\d+) received/.exec(output);
    if (!counts) throw new Error(`ping ${to}: ${output || "no output"}`);
    return { sent: Number(counts[1]), received: Number(counts[2]), output: inShort(output) };
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

/** Without the lines of the single answers. */
function inShort(output: string): string {
  const lines = output.split("\n");
  return lines.filter((line) => line.trim() !== "" && !line.includes("bytes from")).join("\n");
}
