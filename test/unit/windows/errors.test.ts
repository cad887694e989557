/**
 * Every error row of the driver's two sheets: what was read from its source, and what version 2.0.1 was measured to
 * answer.
 */
import { describe, expect, test } from "vitest";
import type { DcoErrorCode, Effect } from "../../../src/core/errors.ts";
import { IOCTL_NAMES } from "../../../src/windows/ioctl.ts";
import {
  isConnectionLost,
  isExpiry,
  isWin32,
  type Operation,
  refusal,
} from "../../../src/windows/ovpn-errors.ts";
import { isSuccess, STATUS_ROWS, win32Of } from "../../../src/windows/status.ts";

type Row = readonly [
  operation: Operation,
  status: number | undefined,
  win32: number,
  code: DcoErrorCode,
  effect?: Effect,
];

const INVALID_DEVICE_REQUEST = 0xc0000010;
const INVALID_DEVICE_STATE = 0xc0000184;
const BUFFER_TOO_SMALL = 0xc0000023;
const OBJECTID_EXISTS = 0xc000022b;
const OBJECTID_NOT_FOUND = 0xc00002f0;
const ALREADY_INITIALIZED = 0xc0000510;
const CANCELLED = 0xc0000120;

const wrongMode = (operation: Operation): Row => [operation, INVALID_DEVICE_STATE, 22, "not-found"];

/** The sheet of the source: NTSTATUS and Win32 of each. */
const SOURCE: readonly Row[] = [
  ["GET_PEER_STATS", 0x80000005, 234, "overflow"],
  ["GET_VERSION", INVALID_DEVICE_REQUEST, 1, "unsupported"],
  ["START_VPN", INVALID_DEVICE_REQUEST, 1, "not-found"],
  ["SET_PEER", INVALID_DEVICE_REQUEST, 1, "not-found"],
  ["MP_SET_PEER", INVALID_DEVICE_REQUEST, 1, "not-found"],
  ["SWAP_KEYS", INVALID_DEVICE_REQUEST, 1, "not-found"],
  ["MP_SWAP_KEYS", INVALID_DEVICE_REQUEST, 1, "not-found"],
  ["GET_STATS", INVALID_DEVICE_REQUEST, 1, "not-found"],
  ["NEW_PEER", INVALID_DEVICE_REQUEST, 1, "invalid"],
  ["MP_NEW_PEER", INVALID_DEVICE_REQUEST, 1, "invalid"],
  ["NEW_KEY", INVALID_DEVICE_REQUEST, 1, "unsupported", "unknown"],
  ["SET_MODE", INVALID_DEVICE_REQUEST, 1, "unsupported"],
  ["GET_PEER_STATS", INVALID_DEVICE_REQUEST, 1, "unsupported"],
  ["NOTIFY_EVENT", INVALID_DEVICE_REQUEST, 1, "unsupported"],
  // Wrong mode: those of p2p in multi-peer mode, and the reverse.
  ...(["NEW_PEER", "DEL_PEER", "SWAP_KEYS", "SET_PEER", "START_VPN"] as const).map(wrongMode),
  ...(["MP_START_VPN", "MP_NEW_PEER", "MP_SET_PEER", "MP_DEL_PEER", "MP_SWAP_KEYS"] as const).map(wrongMode),
  ...(["MP_ADD_IROUTE", "MP_DEL_IROUTE"] as const).map(wrongMode),
  ["WRITE", INVALID_DEVICE_STATE, 22, "socket"],
  ["READ", INVALID_DEVICE_STATE, 22, "not-found"],
  ["NEW_PEER", BUFFER_TOO_SMALL, 122, "protocol"],
  ["MP_START_VPN", BUFFER_TOO_SMALL, 122, "protocol", "unknown"],
  ["NOTIFY_EVENT", BUFFER_TOO_SMALL, 122, "protocol"],
  ["READ", BUFFER_TOO_SMALL, 122, "overflow"],
  ["GET_PEER_STATS", BUFFER_TOO_SMALL, 122, "protocol"],
  ["SET_MODE", 0xc000000d, 87, "invalid"],
  ["NEW_KEY", 0xc000000d, 87, "invalid", "unknown"],
  ["MP_ADD_IROUTE", 0xc000000d, 87, "invalid"],
  ["MP_DEL_IROUTE", 0xc000000d, 87, "invalid"],
  ["WRITE", 0xc0000702, 87, "invalid"],
  ["WRITE", 0xc0000141, 59, "invalid"],
  ["WRITE", 0xc0000206, 1784, "invalid"],
  ["MP_NEW_PEER", OBJECTID_EXISTS, 5010, "exists"],
  ["NEW_KEY", OBJECTID_NOT_FOUND, 2, "not-found"],
  ["GET_PEER_STATS", OBJECTID_NOT_FOUND, 2, "not-found"],
  ["MP_ADD_IROUTE", OBJECTID_NOT_FOUND, 2, "not-found"],
  ["MP_ADD_IROUTE", INVALID_DEVICE_REQUEST, 1, "not-found"],
  ["MP_ADD_IROUTE", 0xc0000225, 1168, "not-found"],
  ["MP_DEL_PEER", 0xc0000225, 1168, "not-found"],
  ["SET_MODE", ALREADY_INITIALIZED, 1247, "exists"],
  ["MP_START_VPN", ALREADY_INITIALIZED, 1247, "exists"],
  ["MP_NEW_PEER", 0xc0000017, 8, "exists", "unknown"],
  ["NEW_PEER", 0xc0000017, 8, "system", "unknown"],
  ["NEW_PEER", 0xc000009a, 1450, "system", "unknown"],
  ["READ", CANCELLED, 995, "closed", "unknown"],
  ["NOTIFY_EVENT", CANCELLED, 995, "closed", "unknown"],
  ["NEW_PEER", CANCELLED, 995, "closed", "unknown"],
  ["READ", 0xc000020c, 64, "timeout"],
  ["READ", 0xc0000241, 1236, "socket"],
  ["NEW_PEER", 0xc0000241, 1236, "socket"],
  ["NEW_PEER", 0xc0000236, 1225, "socket"],
  ["NEW_PEER", 0xc000023c, 1231, "socket"],
  ["NEW_PEER", 0xc000023d, 1232, "socket"],
  ["WRITE", 0xc000023c, 1231, "socket"],
  ["WRITE", 0xc000023d, 1232, "socket"],
  ["NEW_PEER", 0xc00000b5, 121, "timeout"],
  ["NEW_PEER", 0xc000020a, 52, "busy"],
  ["MP_START_VPN", 0xc000020a, 52, "busy"],
  ["NEW_PEER", 0xc0000207, 1214, "socket"],
  ["OPEN", 0xc0000022, 5, "permission"],
  ["OPEN", undefined, 2, "not-found"],
  ["OPEN", undefined, 3, "not-found"],
  ["OPEN", undefined, 32, "busy"],
  // The adapter is disabled, or its driver is replaced.
  ["READ", 0xc000000e, 433, "not-found"],
  ["READ", 0xc000009d, 1167, "not-found"],
  ["READ", 0xc00000c0, 55, "not-found"],
  ["READ", 0xc00002b6, 1617, "not-found"],
  ["WRITE", 0xc000023a, 1229, "socket"],
  ["GET_STATS", undefined, 6, "closed"],
];

/** The sheet of what was measured. An unknown request is one that 2.0.1 does not have. */
const MEASURED: readonly Row[] = [
  ["NEW_PEER", undefined, 122, "protocol"],
  ["SET_MODE", undefined, 1, "unsupported"],
  ["NOTIFY_EVENT", undefined, 1, "unsupported"],
  ["OPEN", undefined, 5, "permission"],
  ["GET_STATS", undefined, 1, "not-found"],
  ["START_VPN", undefined, 1, "not-found"],
  ["SWAP_KEYS", undefined, 1, "not-found"],
  ["SET_PEER", undefined, 1, "not-found"],
  ["WRITE", undefined, 22, "socket"],
  ["NEW_PEER", undefined, 5010, "exists"],
  ["NEW_KEY", undefined, 1, "unsupported", "unknown"],
  ["READ", undefined, 64, "timeout"],
  ["READ", undefined, 995, "closed", "unknown"],
  ["READ", undefined, 1236, "socket"],
  ["NEW_PEER", undefined, 1225, "socket"],
];

/** The statuses of the sheet's table, in its order, without STATUS_PENDING, which is none of failure. */
const TABLE = [
  0x80000005, 0xc0000010, 0xc0000184, 0xc0000023, 0xc000000d, 0xc0000702, 0xc0000141, 0xc0000206, 0xc000022b,
  0xc00002f0, 0xc0000225, 0xc0000510, 0xc0000017, 0xc000009a, 0xc0000120, 0xc000020c, 0xc0000241, 0xc0000236,
  0xc000023c, 0xc000023d, 0xc00000b5, 0xc000020a, 0xc0000022,
];

/** The codes of the measured sheet; its one request that succeeds has none. */
const MEASURED_CODES = [122, 1, 22, 5010, 64, 995, 1236, 1225];

const SHEETS: readonly (readonly [name: string, rows: readonly Row[]])[] = [
  ["source", SOURCE],
  ["measured", MEASURED],
];

for (const [sheet, rows] of SHEETS) {
  describe(sheet, () => {
    for (const [operation, status, win32, code, effect = "none"] of rows) {
      const from = status === undefined ? win32 : `0x${status.toString(16)}, ${win32}`;
      test(`${operation}: ${from}: ${code}`, () => {
        if (status !== undefined) {
          const error = refusal(operation, { kind: "ntstatus", number: status });
          expect(error).toMatchObject({ code, effect, native: { kind: "ntstatus", number: status } });
          expect(error.native?.name).toMatch(/^STATUS_/);
          expect(isWin32(error, win32)).toBe(true);
        }
        const error = refusal(operation, { kind: "win32", number: win32 });
        expect(error).toMatchObject({ code, effect, native: { kind: "win32", number: win32 } });
        expect(error.native?.name).toMatch(/^ERROR_/);
        expect(error.message).toContain(operation);
        expect(isWin32(error, win32)).toBe(true);
      });
    }
  });
}

test("no row of the sheets is left out", () => {
  const statuses = new Set(SOURCE.map(([, status]) => status));
  expect(TABLE.filter((status) => !statuses.has(status))).toEqual([]);
  const codes = new Set(MEASURED.map(([, , win32]) => win32));
  expect(MEASURED_CODES.filter((code) => !codes.has(code))).toEqual([]);
});

test("no request of the driver's is without a row but those that never fail by themselves", () => {
  const operations = new Set<string>(SOURCE.map(([operation]) => operation));
  // One is never sent.
  expect(IOCTL_NAMES.filter((name) => !operations.has(name))).toEqual(["NEW_KEY_V2"]);
});

test("a connection that was reset is no keepalive that has ended, though both are one code of Win32", () => {
  const reset = refusal("READ", { kind: "ntstatus", number: 0xc000020d });
  expect(reset).toMatchObject({
    code: "socket",
    effect: "none",
    native: { name: "STATUS_CONNECTION_RESET" },
  });
  expect([isExpiry(reset), isConnectionLost(reset)]).toEqual([false, true]);
  const expired = refusal("READ", { kind: "ntstatus", number: 0xc000020c });
  expect([isExpiry(expired), isConnectionLost(expired)]).toEqual([true, false]);
  const closed = refusal("READ", { kind: "ntstatus", number: 0xc0000241 });
  expect([isExpiry(closed), isConnectionLost(closed)]).toEqual([false, true]);
});

test("what nobody knows says its number, and that its effect is not known", () => {
  expect(refusal("NEW_PEER", { kind: "ntstatus", number: 0xc00000aa })).toMatchObject({
    code: "system",
    effect: "unknown",
    native: { name: "NTSTATUS 0xc00000aa" },
  });
  expect(refusal("NEW_PEER", { kind: "win32", number: 12345 })).toMatchObject({
    code: "system",
    effect: "unknown",
    native: { name: "Win32 error 12345" },
  });
});

test("a field is named where it is the cause, and a capability", () => {
  expect(refusal("NEW_PEER", { kind: "win32", number: 52 }).field).toBe("local");
  expect(refusal("NEW_KEY", { kind: "win32", number: 1 }).capability).toBe("ciphers");
});

test("each status is in the table once, and none of it is a success", () => {
  const statuses = STATUS_ROWS.map(([status]) => status);
  expect(new Set(statuses).size).toBe(statuses.length);
  for (const [status, , win32] of STATUS_ROWS) {
    expect(isSuccess(status)).toBe(false);
    expect(win32Of({ kind: "ntstatus", number: status })).toBe(win32);
  }
  expect([0, 0x103, 0x40000000].every(isSuccess)).toBe(true);
});
