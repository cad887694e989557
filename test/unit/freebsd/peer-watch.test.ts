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

test("answers that take long make the questions rarer, up to ten seconds; who is missing is asked for after one", () => {
  const known = new Set([1]);
  const there = new Set([1]);
  const gone: number[] = [];
  const clock = performance.now.bind(performance);
  let asked = 0;
  let takes = 0;
  let slept = 0;
  const spy = vi.spyOn(performance, "now").mockImplementation(() => clock() + slept);
  const ask = () => {
    asked++;
    slept += takes;
    return there;
  };
  const after = (milliseconds: number) => {
    vi.advanceTimersByTime(milliseconds);
    return [asked, gone.length];
  };
  const watch = new PeerWatch(ask, known, (id) => gone.push(id));
  expect(after(1000)).toEqual([1, 0]);
  takes = 100;
  expect(after(1000)).toEqual([2, 0]);
  expect(after(4900)).toEqual([2, 0]);
  takes = 60_000;
  expect(after(200)).toEqual([3, 0]);
  there.clear();
  expect(after(9800)).toEqual([3, 0]);
  expect(after(200)).toEqual([4, 0]);
  expect(after(800)).toEqual([4, 0]);
  expect(after(200)).toEqual([5, 1]);
  watch.stop();
  spy.mockRestore();
});
