import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PeerWatch } from "../../../src/freebsd/peer-watch.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a peer that is missing twice is gone; one whose event comes in between is not told", () => {
  const there = new Set([1, 2, 3]);
  const known = new Set([1, 2, 3]);
  const gone: number[] = [];
  const watch = new PeerWatch(
    () => there,
    known,
    (id) => {
      gone.push(id);
      known.delete(id);
    },
  );
  vi.advanceTimersByTime(2500);
  there.delete(1);
  there.delete(2);
  vi.advanceTimersByTime(1000);
  expect(gone).toEqual([]);
  known.delete(2);
  vi.advanceTimersByTime(5000);
  expect(gone).toEqual([1]);
  watch.stop();
  there.clear();
  vi.advanceTimersByTime(5000);
  expect(gone).toEqual([1]);
});

test("a kernel that does not answer is asked again, and nobody is gone for that", () => {
  const known = new Set([1]);
  const gone: number[] = [];
  let asked = 0;
  const refuse = () => {
    asked++;
    throw new Error("no");
  };
  const watch = new PeerWatch(refuse, known, (id) => gone.push(id));
  vi.advanceTimersByTime(3500);
  watch.stop();
  expect([asked, gone]).toEqual([3, []]);
});
