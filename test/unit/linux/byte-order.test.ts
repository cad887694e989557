import { expect, test, vi } from "vitest";

vi.mock("node:os", async (original) => ({ ...(await original<object>()), endianness: () => "BE" }));

test("a big-endian machine is refused instead of sent wrong bytes", async () => {
  const { MessageBuilder } = await import("../../../src/netlink/codec/builder.ts");
  expect(() => new MessageBuilder()).toThrow(expect.objectContaining({ code: "unavailable" }));
});
