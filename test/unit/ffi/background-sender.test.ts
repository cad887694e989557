/**
 * Sends on threads of the C library, on sockets of this machine.
 */
import { readdirSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { createBackgroundSender } from "../../../src/ffi/background-sender.ts";
import { type Ffi, loadFfi } from "../../../src/ffi/index.ts";
import { createPosix, type Posix } from "../../../src/ffi/posix.ts";
import { AF_INET, packSockaddr, SOCKADDR_BYTES } from "../../../src/ffi/sockaddr.ts";

const SOCK_DGRAM = 2;
const POLLIN = 1;

describe.runIf(process.platform === "linux").each(["koffi", "ffi-rs"] as const)("through %s", (name) => {
  let ffi: Ffi;
  let posix: Posix;
  const descriptors: number[] = [];

  beforeAll(() => {
    ffi = loadFfi(name);
    posix = createPosix(ffi);
  });

  afterEach(() => {
    for (const fd of descriptors.splice(0)) posix.close(fd);
  });

  /** A socket that is connected to another. */
  function pair(): { from: number; to: number } {
    const [from, to] = [posix.socket(AF_INET, SOCK_DGRAM, 0), posix.socket(AF_INET, SOCK_DGRAM, 0)];
    descriptors.push(from, to);
    posix.bind(to, packSockaddr({ address: "127.0.0.1", port: 0 }));
    const address = Buffer.alloc(SOCKADDR_BYTES);
    const length = posix.getsockname(to, address);
    posix.connect(from, address.subarray(0, length));
    return { from, to };
  }

  it("sends what it was given when it was called", async () => {
    const sender = createBackgroundSender(ffi);
    const { from, to } = pair();
    const bytes = Buffer.from("0123456789");
    const sending = sender?.send(from, bytes);
    bytes.fill(0);
    expect(await sending).toBe(10);
    expect(posix.poll(to, POLLIN, 1000)).toBe(POLLIN);
    const got = Buffer.alloc(64);
    expect(posix.recv(to, got, 0)).toBe(10);
    expect(got.toString("latin1", 0, 10)).toBe("0123456789");
  });

  it("gives the errno as a number below zero", async () => {
    const sender = createBackgroundSender(ffi);
    const { from } = pair();
    expect(await sender?.send(from, Buffer.alloc(100_000))).toBe(-constants.errno.EMSGSIZE);
  });

  it("does many at a time, and its threads end", async () => {
    const sender = createBackgroundSender(ffi);
    const threads = () => readdirSync("/proc/self/task").length;
    const before = threads();
    const pairs = Array.from({ length: 40 }, pair);
    const sent = pairs.map(({ from }, n) => sender?.send(from, Buffer.alloc(n + 1)));
    expect(await Promise.all(sent)).toEqual(pairs.map((_, n) => n + 1));
    const deadline = performance.now() + 5000;
    while (threads() > before && performance.now() < deadline) await sleep(50);
    expect(threads()).toBeLessThanOrEqual(before);
  });
});
