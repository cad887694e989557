/**
 * What the native interface costs: nanoseconds a call, in one run, against koffi called without it.
 *
 * Usage: `node bench/ffi.ts [ROUNDS]`. The rounds of all cases are interleaved, and the ratio is of the fastest
 * rounds, those that nothing else disturbed. Only the ratios mean something elsewhere.
 */
import { createRequire } from "node:module";
import type * as Koffi from "koffi";
import { type Ffi, loadFfi, THIS_PROCESS } from "../src/ffi/index.ts";
import { createPosix } from "../src/ffi/posix.ts";
import { AF_INET, packSockaddr, SOCKADDR_BYTES } from "../src/ffi/sockaddr.ts";

const SOCK_DGRAM = 2;
/** Calls in a round: a millisecond or some, short enough that some rounds have a core to themselves. */
const CALLS = 2000;

type Case = [name: string, call: () => unknown];

const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
const bare = koffi.load(null);
const seam = loadFfi("koffi");
const socket = openSocket(seam);
const bytes = Buffer.alloc(64);

const groups: Record<string, Case[]> = {
  "getpid()": [
    ["koffi", bare.func("getpid", "int32_t", [])],
    ["seam on koffi", seam.library([THIS_PROCESS]).func("getpid", "i32", [])],
    ...onFfiRs((ffi) => ffi.library([THIS_PROCESS]).func("getpid", "i32", [])),
  ],
  "recv(fd, 64 bytes), empty: errno": [
    [
      "koffi",
      (() => {
        const recv = bare.func("recv", "intptr_t", ["int32_t", "void *", "size_t", "int32_t"]);
        return () => (recv(socket, bytes, bytes.length, 0) === -1 ? -koffi.errno() : 0);
      })(),
    ],
    [
      "seam on koffi",
      (() => {
        const types = ["i32", "buffer", "usize", "i32"] as const;
        const recv = seam.library([THIS_PROCESS]).func("recv", "isize", types, { errno: true });
        return () => recv(socket, bytes, bytes.length, 0);
      })(),
    ],
    ["posix on koffi", receive(seam)],
    ...onFfiRs(receive),
  ],
};

function receive(ffi: Ffi): () => number {
  const posix = createPosix(ffi);
  return () => posix.recv(socket, bytes, 0);
}

function openSocket(ffi: Ffi): number {
  const posix = createPosix(ffi);
  const fd = posix.socket(AF_INET, SOCK_DGRAM, 0);
  posix.bind(fd, packSockaddr({ address: "127.0.0.1", port: 0 }));
  posix.getsockname(fd, Buffer.alloc(SOCKADDR_BYTES));
  return fd;
}

/** Where ffi-rs is not installed, its line is left out and the reason printed. */
function onFfiRs(make: (ffi: Ffi) => () => unknown): Case[] {
  try {
    return [["ffi-rs", make(loadFfi("ffi-rs"))]];
  } catch (error) {
    console.log(`ffi-rs left out: ${(error as Error).message}`);
    return [];
  }
}

function time(call: () => unknown): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < CALLS; i++) call();
  return Number(process.hrtime.bigint() - start) / CALLS;
}

const warmUp = bare.func("getpid", "int32_t", []);

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}

const rounds = Number(process.argv[2] ?? 301);
console.log(`node ${process.version}, koffi ${koffi.version}, ${process.platform}-${process.arch}`);
for (const [title, cases] of Object.entries(groups)) {
  const times = cases.map(() => [] as number[]);
  for (const [, call] of cases) time(call);
  for (let round = 0; round < rounds; round++) {
    // Each case follows each other one as often: what a case leaves behind (garbage) falls on the next.
    for (const [k] of cases.entries()) {
      const i = round % 2 ? cases.length - 1 - k : k;
      time(warmUp);
      times[i]?.push(time((cases[i] as Case)[1]));
    }
  }
  const fastest = times.map((each) => Math.min(...each));
  console.log(`\n${title}`);
  for (const [i, [name]] of cases.entries()) {
    const ns = fastest[i] as number;
    const ratio = (ns / (fastest[0] as number)).toFixed(2);
    const usual = median(times[i] as number[]).toFixed(0);
    console.log(`  ${name.padEnd(16)} ${ns.toFixed(0).padStart(6)} ns   x ${ratio}   (median ${usual} ns)`);
  }
}
