import { closeSync, existsSync, openSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { LeakCheck } from "../../conformance/leaks.ts";

/** Long enough for a worker to start, short for a test. */
const GRACE_MS = 300;

const idle = () => new Worker("setInterval(() => {}, 1000)", { eval: true });

describe.skipIf(!existsSync("/proc/self/task"))("LeakCheck", () => {
  test("a descriptor that was left is told once", async () => {
    const leaks = await LeakCheck.begin(GRACE_MS);
    const fd = openSync("/dev/null", "r");
    expect(await leaks.found("first")).toEqual([`descriptor ${fd} (/dev/null)`]);
    expect(await leaks.found("second")).toEqual([]);
    closeSync(fd);
    expect(await leaks.finish()).toEqual([]);
  });

  test("a thread that lives on is told at the end, with the case after which it was first seen", async () => {
    const leaks = await LeakCheck.begin(GRACE_MS);
    const worker = idle();
    await new Promise((resolve) => worker.once("online", resolve));
    // Descriptors of the worker's loop are no matter of this test.
    await leaks.found("first");
    await leaks.found("second");
    const left = await leaks.finish();
    expect(left.length).toBeGreaterThan(0);
    for (const each of left) expect(each).toMatch(/^thread \d+ \(.*\), first seen after first$/);
    await worker.terminate();
    expect(await leaks.finish()).toEqual([]);
  });

  test("one that ends in time is not told", async () => {
    const leaks = await LeakCheck.begin(10 * GRACE_MS);
    const worker = idle();
    await new Promise((resolve) => worker.once("online", resolve));
    const ended = new Promise((resolve) => setTimeout(resolve, GRACE_MS)).then(() => worker.terminate());
    expect((await leaks.finish()).filter((each) => each.startsWith("thread"))).toEqual([]);
    await ended;
  });
});
