/**
 * Looking for bytes in another process's memory.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** Bytes that are read at a time. */
const CHUNK = 1 << 20;

/** How often the bytes are in the memory that a process can write, where it has its data. Needs root. */
export function countInMemory(pid: number, needle: Uint8Array): number {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    let found = 0;
    for (const [from, to] of writableRanges(pid)) found += countInRange(memory, from, to, needle);
    return found;
  } finally {
    closeSync(memory);
  }
}

function writableRanges(pid: number): [bigint, bigint][] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return lines.flatMap((line) => {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    return from && to ? [[BigInt(`0x${from}`), BigInt(`0x${to}`)]] : [];
  });
}

function countInRange(memory: number, from: bigint, to: bigint, needle: Uint8Array): number {
  // What the end of one piece and the beginning of the next have in common is read twice, and found once.
  const overlap = needle.length - 1;
  const buffer = Buffer.alloc(CHUNK + overlap);
  let found = 0;
  for (let at = from; at < to; at += BigInt(CHUNK)) {
    const size = Number(to - at < BigInt(buffer.length) ? to - at : BigInt(buffer.length));
    let read: number;
    try {
      read = readSync(memory, buffer, 0, size, at);
    } catch {
      // Reserved, and not there.
      continue;
    }
    const piece = buffer.subarray(0, read);
    for (let hit = piece.indexOf(needle); hit >= 0; hit = piece.indexOf(needle, hit + 1)) found++;
  }
  return found;
}
