import { describe, expect, it } from "vitest";
import { rates, short } from "../../../src/cli/commands/top.ts";
import type { PeerStats } from "../../../src/index.ts";

const stats = (id: number, generation: number, rx: bigint, tx: bigint): PeerStats => ({
  id,
  generation,
  link: undefined,
  tunnel: { rxBytes: rx, txBytes: tx, rxPackets: undefined, txPackets: undefined },
});

describe("rates", () => {
  it("are what came since the last look, in bits per second, the busiest first", () => {
    const before = [stats(1, 1, 0n, 0n), stats(2, 1, 1000n, 0n)];
    const now = [stats(1, 1, 250n, 0n), stats(2, 1, 2000n, 500n)];
    expect(rates(before, now, [], 2).map(({ peer, rxRate, txRate }) => [peer, rxRate, txRate])).toEqual([
      [2, 4000, 2000],
      [1, 1000, 0],
    ]);
  });

  it("are not known at first, and for a peer of another life", () => {
    expect(rates([], [stats(1, 1, 5n, 5n)], [], 0)[0]?.rxRate).toBe(undefined);
    expect(rates([stats(1, 1, 900n, 0n)], [stats(1, 2, 5n, 0n)], [], 2)[0]?.rxRate).toBe(undefined);
  });

  it("are short", () => {
    expect([0, 999, 1000, 12_300_000, 5e15].map(short)).toEqual(["0", "999", "1.0k", "12.3M", "5.0P"]);
    expect(short(undefined)).toBe(undefined);
  });
});
