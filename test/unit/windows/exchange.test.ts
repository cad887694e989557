/**
 * The exchange over a device that answers what a test tells it to: retries, aborts and what the trace shows. How the
 * driver itself behaves is tested under Wine.
 */
import { expect, test } from "vitest";
import { type WireEntry, WireTracer } from "../../../src/core/trace.ts";
import { parseEndpoint } from "../../../src/core/validate.ts";
import type { Device, Outcome, Pending } from "../../../src/windows/device.ts";
import { OvpnExchange } from "../../../src/windows/exchange.ts";
import { ioctlCode } from "../../../src/windows/ioctl.ts";
import { freshKey } from "../core/support.ts";

const NOTHING = Buffer.alloc(0);
const fail = (number: number): Outcome => ({ failure: { kind: "ntstatus", number }, bytes: NOTHING });

function setUp(
  answer: (code: number, input: Buffer, room: number) => Outcome | undefined,
  mode = "p2p" as const,
) {
  const inputs: Buffer[] = [];
  const passed: Uint8Array[] = [];
  let cancelled = 0;
  const pend = (outcome: Outcome | undefined): Pending => {
    let resolve: (outcome: Outcome) => void = () => {};
    const promise = outcome
      ? Promise.resolve(outcome)
      : new Promise<Outcome>((settle) => {
          resolve = settle;
        });
    const cancel = () => {
      cancelled++;
      resolve(fail(0xc0000120));
    };
    return { outcome: promise, cancel };
  };
  const device: Device = {
    ioctl(code, input, room) {
      inputs.push(Buffer.from(input));
      passed.push(input);
      return pend(answer(code, Buffer.from(input), room));
    },
    read: () => pend(undefined),
    write: (bytes) => pend(answer(0, Buffer.from(bytes), 0)),
    close: async () => {},
  };
  const entries: WireEntry[] = [];
  const tracer = new WireTracer((entry) => void entries.push(entry));
  const exchange = new OvpnExchange({ open: () => device }, "path", { mode, tracer, name: "tun" });
  return { exchange, entries, inputs, passed, cancelled: () => cancelled };
}

test("statistics are asked for again with more room, until they fit", async () => {
  const rooms: number[] = [];
  const { exchange } = setUp((code, _input, room) => {
    expect(code).toBe(ioctlCode("GET_PEER_STATS"));
    rooms.push(room);
    const needed = 200 * 40;
    if (room >= needed) return { failure: undefined, bytes: Buffer.alloc(needed) };
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(needed, 0);
    return { failure: { kind: "ntstatus", number: 0x80000005 }, bytes };
  });
  expect(await exchange.ioctl("GET_PEER_STATS", { peer: -1 })).toHaveLength(200);
  expect(rooms).toEqual([2560, 16000]);
  // It is remembered.
  await exchange.ioctl("GET_PEER_STATS", { peer: -1 });
  expect(rooms).toHaveLength(3);
});

test("statistics that never fit are an error in the end", async () => {
  const { exchange } = setUp(() => {
    const bytes = Buffer.alloc(4, 0xff);
    return { failure: { kind: "win32", number: 234 }, bytes };
  });
  await expect(exchange.ioctl("GET_PEER_STATS", { peer: -1 })).rejects.toMatchObject({ code: "overflow" });
});

test("an abort cancels, and says so", async () => {
  const { exchange, cancelled } = setUp(() => undefined);
  const remote = parseEndpoint("192.0.2.1:1194", "remote", { port: "nonzero" });
  const abort = new AbortController();
  const asked = exchange.ioctl("NEW_PEER", { local: undefined, remote, protocol: "tcp" }, abort.signal);
  abort.abort();
  await expect(asked).rejects.toMatchObject({ code: "aborted", effect: "unknown" });
  expect(cancelled()).toBe(1);
});

test("what had ended before the abort came has not been aborted", async () => {
  const { exchange } = setUp(() => ({ failure: undefined, bytes: NOTHING }));
  const abort = new AbortController();
  const asked = exchange.ioctl("START_VPN", undefined, abort.signal);
  abort.abort();
  await expect(asked).resolves.toBeUndefined();
});

test("a key is in no trace, and the request's copy of it is wiped", async () => {
  const { exchange, entries, inputs, passed } = setUp(() => fail(0xc00002f0));
  const key = freshKey();
  const request = {
    slot: key.slot,
    id: key.id,
    cipher: key.cipher,
    encryptKey: key.encrypt.key,
    encryptNonceTail: key.encrypt.nonceTail,
    decryptKey: key.decrypt.key,
    decryptNonceTail: key.decrypt.nonceTail,
  };
  await expect(exchange.ioctl("NEW_KEY", { peer: 7, key: request })).rejects.toMatchObject({
    code: "not-found",
  });
  expect(inputs[0]?.includes(Buffer.from(key.encrypt.key))).toBe(true);
  expect(passed[0]?.every((byte) => byte === 0)).toBe(true);
  const text = JSON.stringify(entries);
  for (const secret of [key.encrypt.key, key.decrypt.key, key.encrypt.nonceTail, key.decrypt.nonceTail]) {
    expect(text).not.toContain(Buffer.from(secret).toString("hex"));
    expect(text).not.toContain(JSON.stringify(secret));
  }
  expect(entries[0]?.hex).toMatch(/^(\*\*){82}0000/);
});

test("a reset does not open a handle again that is closed meanwhile", async () => {
  let opened = 0;
  let closed = () => {};
  const closing = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const device = { close: () => closing } as unknown as Device;
  const open = () => {
    opened++;
    return device;
  };
  const options = { mode: "multipeer", tracer: new WireTracer(undefined), name: "tun" } as const;
  const exchange = new OvpnExchange({ open }, "path", options);
  const reset = exchange.reset();
  const end = exchange.close();
  closed();
  await Promise.all([reset, end]);
  expect(opened).toBe(1);
});
