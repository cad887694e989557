import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { BackendPeer } from "../../../src/core/backend.ts";
import { FloatWatch } from "../../../src/linux/float-watch.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const at = (port: number) => ({ address: "192.0.2.9", port });
const rest = { local: undefined, vpn4: undefined, vpn6: undefined, keepalive: "off", txId: 1 } as const;

function watch() {
  const kernel = new Map<number, number>();
  const floats: [number, number][] = [];
  const state = { reads: 0, failing: false };
  const watching: FloatWatch = new FloatWatch(
    async () => {
      state.reads++;
      if (state.failing) throw new Error("no");
      const peers: BackendPeer[] = [...kernel].map(([id, port]) => ({ id, remote: at(port), ...rest }));
      watching.found(peers);
      return peers;
    },
    (peer, remote) => floats.push([peer, remote.port]),
  );
  return { kernel, floats, state, watching };
}

test("a peer that moves is told once", async () => {
  const { kernel, floats, watching } = watch();
  kernel.set(1, 1000);
  watching.set(1, at(1000));
  await vi.advanceTimersByTimeAsync(3000);
  kernel.set(1, 2000);
  await vi.advanceTimersByTimeAsync(3000);
  expect(floats).toEqual([[1, 2000]]);
  watching.stop();
});

test("a peer that was found, not added, is watched from then on", async () => {
  const { kernel, floats, watching } = watch();
  kernel.set(1, 1000);
  watching.found([{ id: 1, remote: at(1000), ...rest }]);
  kernel.set(1, 2000);
  await vi.advanceTimersByTimeAsync(3000);
  kernel.set(2, 1000);
  await vi.advanceTimersByTimeAsync(3000);
  kernel.set(2, 1500);
  await vi.advanceTimersByTimeAsync(3000);
  expect(floats).toEqual([
    [1, 2000],
    [2, 1500],
  ]);
  watching.stop();
});

test("with the last peer the looking ends, although nobody said that it is gone", async () => {
  const { kernel, state, watching } = watch();
  kernel.set(1, 1000);
  watching.set(1, at(1000));
  await vi.advanceTimersByTimeAsync(3000);
  kernel.delete(1);
  await vi.advanceTimersByTimeAsync(3000);
  const { reads } = state;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(state.reads).toBe(reads);
  expect(vi.getTimerCount()).toBe(0);
});

test("a look that fails forgets nobody", async () => {
  const { kernel, floats, state, watching } = watch();
  kernel.set(1, 1000);
  watching.set(1, at(1000));
  state.failing = true;
  await vi.advanceTimersByTimeAsync(3000);
  state.failing = false;
  kernel.set(1, 2000);
  await vi.advanceTimersByTimeAsync(3000);
  expect(floats).toEqual([[1, 2000]]);
  watching.stop();
});
