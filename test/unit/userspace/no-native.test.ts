import { describe, expect, it, vi } from "vitest";
import type { Endpoint } from "../../../src/index.ts";
import { openUserspaceDriver } from "../../../src/userspace/index.ts";

const requireNative = vi.hoisted(() =>
  vi.fn(() => {
    throw new Error("Cannot find module koffi");
  }),
);
vi.mock("../../../src/ffi/require.ts", () => ({ requireNative }));

describe("where there are no native calls", () => {
  it("Node's own sockets carry the packets", async () => {
    const driver = await openUserspaceDriver();
    try {
      const dco = await driver.createInterface({ mode: "p2p" });
      const [one, two] = [
        await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" }),
        await dco.openTransport({ protocol: "udp", local: "[::]:0" }),
      ];
      expect(requireNative).toHaveBeenCalledTimes(1);
      const port = two.local?.port as number;
      await one.send(Uint8Array.of(1, 2, 3, 4, 5), { to: { address: "127.0.0.1", port } });
      for await (const { data, from } of two.packets()) {
        expect([...data]).toEqual([1, 2, 3, 4, 5]);
        expect(from).toEqual(one.local as Endpoint);
        break;
      }
    } finally {
      await driver.close();
    }
  });
});
