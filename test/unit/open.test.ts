/**
 * The options of openDriver: refused before anything is loaded.
 */
import { expect, test } from "vitest";
import { openDriver } from "../../src/index.ts";

const bad: readonly [field: string, options: unknown][] = [
  ["options", null],
  ["options", "linux"],
  ["options", []],
  ["signal", { signal: {} }],
  ["backend", { backend: "macos" }],
  ["backend", { backend: 1 }],
  ["allowUserspace", { allowUserspace: "yes" }],
  ["ffi", { ffi: "libffi" }],
  ["eventTransport", { eventTransport: "uring" }],
  ["eventBuffer", { eventBuffer: 0 }],
  ["eventBuffer", { eventBuffer: -1 }],
  ["eventBuffer", { eventBuffer: 1.5 }],
  ["eventBuffer", { eventBuffer: 2 ** 31 }],
  ["eventBuffer", { eventBuffer: "8M" }],
  ["trace", { trace: true }],
  ["evntTransport", { evntTransport: "ffi" }],
];

test.each(bad)("%s: %j is invalid", async (field, options) => {
  await expect(openDriver(options as never)).rejects.toMatchObject({
    name: "DcoError",
    code: "invalid",
    operation: "openDriver",
    message: expect.stringContaining(field),
  });
});

test("a signal that has fired is aborted, without effect", async () => {
  await expect(openDriver({ signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: "aborted",
    effect: "none",
  });
});

test.each(["windows", "freebsd", "linux-legacy"] as const)("%s is unavailable here", async (backend) => {
  await expect(openDriver({ backend })).rejects.toMatchObject({ code: "unavailable" });
});

test("userspace needs nothing, and says why it was chosen", async () => {
  const driver = await openDriver({ backend: "userspace" });
  expect(driver.info).toMatchObject({
    backend: "userspace",
    module: "none",
    reason: "it was asked for by name",
  });
  expect(driver.capabilities.systemInterface).toBe(false);
  await driver.close();
});
