import { expect, test } from "vitest";
import { runBulk } from "../../../src/core/bulk.ts";

const plain = { signal: undefined, onProgress: undefined };
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

test("the event loop gets its turns, however quick the items are", async () => {
  let done = 0;
  let most = 0;
  let before = 0;
  let running = true;
  const watch = () => {
    most = Math.max(most, done - before);
    before = done;
    if (running) setImmediate(watch);
  };
  setImmediate(watch);
  await runBulk(numbers(10_000), plain, async () => {
    done++;
  });
  running = false;
  expect(done).toBe(10_000);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(128);
});

test("slow items overlap, and their results stay in order", async () => {
  let atOnce = 0;
  let most = 0;
  const results = await runBulk(numbers(200), plain, async (n) => {
    most = Math.max(most, ++atOnce);
    await new Promise((resolve) => setTimeout(resolve, 1));
    atOnce--;
    if (n === 7) throw new Error("seven");
    return n;
  });
  expect(most).toBe(64);
  expect(results[7]).toMatchObject({ ok: false, error: { message: "seven" } });
  expect(results[199]).toEqual({ ok: true, value: 199 });
});

test("a faulty onProgress changes nothing, and is called for each item", async () => {
  let calls = 0;
  const onProgress = () => {
    calls++;
    throw new Error("progress");
  };
  const results = await runBulk(numbers(70), { ...plain, onProgress }, async (n) => n);
  expect(results.map((result) => result.ok && result.value)).toEqual(numbers(70));
  expect(calls).toBe(70);
});
