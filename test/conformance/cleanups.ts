/**
 * What a world takes away at its end.
 */

/** Things to do in the end, the latest first. */
export class Cleanups {
  readonly #steps: (() => unknown)[] = [];
  #done = false;

  /** After the end it is done at once. */
  add(step: () => unknown): void {
    if (this.#done) void step();
    else this.#steps.push(step);
  }

  /** Does them all, whatever fails; then throws what failed. */
  async run(): Promise<void> {
    this.#done = true;
    const failures: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, "several things could not be closed");
  }
}
