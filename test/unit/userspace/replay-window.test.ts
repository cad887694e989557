import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BACKTRACK_MS, ReplayWindow, WINDOW } from "../../../src/userspace/data/replay-window.ts";

/** The kernel's rules in their plainest form: all ids that were ever taken. */
class Plain {
  readonly #taken = new Set<number>();
  #highest = 0;
  #floor = 0;
  #last = Number.NEGATIVE_INFINITY;

  accept(id: number, now: number): boolean {
    if (now - this.#last >= BACKTRACK_MS) this.#floor = this.#highest;
    const late = id <= this.#highest && (this.#highest - id >= WINDOW || id <= this.#floor);
    if (id === 0 || late || this.#taken.has(id)) return false;
    this.#taken.add(id);
    this.#highest = Math.max(this.#highest, id);
    this.#last = now;
    return true;
  }
}

describe("the replay window", () => {
  test("takes each id once, in any order within the window", () => {
    const window = new ReplayWindow();
    for (const id of [1, 2, 5, 4, 3, 100, 99, 2000]) expect(window.accept(id, 0), String(id)).toBe(true);
    for (const id of [1, 2, 5, 4, 3, 100, 99, 2000]) expect(window.accept(id, 0), String(id)).toBe(false);
  });

  test("does not take 0", () => {
    expect(new ReplayWindow().accept(0, 0)).toBe(false);
  });

  test("ends 2,047 ids behind the highest", () => {
    const window = new ReplayWindow();
    expect(window.accept(10_000, 0)).toBe(true);
    expect(window.accept(10_000 - WINDOW, 0)).toBe(false);
    expect(window.accept(10_000 - WINDOW + 1, 0)).toBe(true);
  });

  test("takes the highest ids", () => {
    const window = new ReplayWindow();
    expect(window.accept(0xffff_fffe, 0)).toBe(true);
    expect(window.accept(0xffff_ffff, 0)).toBe(true);
    expect(window.accept(0xffff_ffff, 0)).toBe(false);
    expect(window.accept(0xffff_ffff - 1000, 0)).toBe(true);
  });

  test("takes nothing behind the highest after 30 seconds of silence", () => {
    const window = new ReplayWindow();
    window.accept(10, 0);
    expect(window.accept(5, BACKTRACK_MS - 1)).toBe(true);
    expect(window.accept(6, 2 * BACKTRACK_MS - 1)).toBe(false);
    expect(window.accept(11, 2 * BACKTRACK_MS)).toBe(true);
    expect(window.accept(6, 2 * BACKTRACK_MS)).toBe(false);
  });

  test("is that of a list of all ids, in any order of ids and times", () => {
    const step = fc.tuple(
      fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
        { weight: 2, arbitrary: fc.integer({ min: -2 * WINDOW, max: 2 * WINDOW }) },
        { weight: 1, arbitrary: fc.constantFrom(WINDOW - 1, WINDOW, WINDOW + 1, 1 - WINDOW, -WINDOW) },
      ),
      fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat(2 * BACKTRACK_MS) }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.array(step, { maxLength: 300 }),
        (start, steps) => {
          const [window, plain] = [new ReplayWindow(), new Plain()];
          let [id, now] = [start, 0];
          for (const [jump, pause] of steps) {
            id = Math.min(0xffff_ffff, Math.max(0, id + jump));
            now += pause;
            expect(window.accept(id, now)).toBe(plain.accept(id, now));
          }
        },
      ),
    );
  });
});
