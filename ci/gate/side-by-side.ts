/** Jobs at the same time whose outputs do not mix. */

/** Takes a line of output. */
export type Print = (line: string) => void;

/**
 * Runs all jobs at once and returns their results in order. The first prints as it goes; what another says is held back
 * until those before it have ended.
 *
 * @param turn is called when the output of a job begins
 */
export async function sideBySide<T>(
  jobs: readonly ((print: Print) => Promise<T>)[],
  turn: (at: number) => void,
  print: Print = console.log,
): Promise<T[]> {
  let current = 0;
  const held: string[][] = jobs.map(() => []);
  if (jobs.length > 0) turn(0);
  const running = jobs.map((job, at) => job((line) => (at === current ? print(line) : held[at]?.push(line))));
  const results: T[] = [];
  for (const [at, job] of running.entries()) {
    current = at;
    if (at > 0) turn(at);
    for (const line of held[at] ?? []) print(line);
    results.push(await job);
  }
  return results;
}
