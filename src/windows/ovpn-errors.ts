/**
 * What the refusals of `ovpn-dco-win` mean.
 */
import { DcoError, type DcoErrorCode, type Effect } from "../core/errors.ts";
import type { Command } from "./messages.ts";
import { type Failure, nativeOf, STATUS_CONNECTION_RESET, win32Of, win32OfError } from "./status.ts";

/** What was asked of the driver: one of its requests, or what goes by the handle itself. */
export type Operation = Command | "OPEN" | "READ" | "WRITE";

/** A meaning: code, sentence, and the rest where it is not the ordinary. */
interface Meaning {
  readonly code: DcoErrorCode;
  readonly sentence: string;
  readonly capability?: string;
  readonly field?: string;
  readonly effect?: Effect;
}

const NO_PEER = { code: "not-found", sentence: "the driver has no such peer" } as const;
const CONNECTION_LOST = { code: "socket", sentence: "the other side has closed the connection" } as const;
const GONE = { code: "not-found", sentence: "the adapter is gone" } as const;
const IN_USE = { code: "busy", sentence: "the local address is in use", field: "local" } as const;

/** What a Win32 code means, whatever was asked. */
const GENERAL: Readonly<Record<number, Meaning>> = {
  1: { code: "unsupported", sentence: "the driver does not know this request" },
  2: { code: "not-found", sentence: "there is no such thing" },
  3: { code: "not-found", sentence: "there is no such adapter" },
  5: { code: "permission", sentence: "access is denied" },
  6: { code: "closed", sentence: "the handle is closed" },
  8: { code: "system", sentence: "the system is out of memory", effect: "unknown" },
  22: { code: "not-found", sentence: "the adapter has stopped, or is in the other mode" },
  32: { code: "busy", sentence: "another program has it open" },
  50: { code: "unsupported", sentence: "the driver does not know this request" },
  52: IN_USE,
  55: GONE,
  59: { code: "invalid", sentence: "the driver does not take this address" },
  64: { code: "timeout", sentence: "nothing was received from the peer for the keepalive timeout" },
  87: { code: "invalid", sentence: "the driver refuses an argument" },
  121: { code: "timeout", sentence: "the other side does not answer" },
  122: { code: "protocol", sentence: "the driver's structures are of other sizes" },
  234: { code: "overflow", sentence: "the answer does not fit" },
  433: GONE,
  995: { code: "closed", sentence: "the request was cancelled", effect: "unknown" },
  1167: GONE,
  1168: { code: "not-found", sentence: "there is no such thing" },
  1214: { code: "socket", sentence: "the local address is not one of this host", field: "local" },
  1225: { code: "socket", sentence: "the other side refuses the connection" },
  1229: CONNECTION_LOST,
  1231: { code: "socket", sentence: "no route leads there" },
  1232: { code: "socket", sentence: "the host cannot be reached" },
  1236: CONNECTION_LOST,
  1247: { code: "exists", sentence: "it is there already" },
  1450: { code: "system", sentence: "the system is out of resources", effect: "unknown" },
  1617: GONE,
  1784: { code: "invalid", sentence: "the packet is too long" },
  5010: { code: "exists", sentence: "there is a peer with this id already" },
};

/** What a status means whose Win32 code stands for something else as well. */
const BY_STATUS: Readonly<Record<number, Meaning>> = {
  [STATUS_CONNECTION_RESET]: CONNECTION_LOST,
};

/** Where one request means something else by a code. */
const SPECIAL: Readonly<Partial<Record<Operation, Readonly<Record<number, Meaning>>>>> = {
  OPEN: {
    2: { code: "not-found", sentence: "there is no such adapter, or it is disabled" },
    5: {
      code: "permission",
      sentence:
        "another program has the adapter open, or this user may not open it (drivers before 2.8.6 let only " +
        "administrators), which Windows does not tell apart",
    },
  },
  READ: {
    122: { code: "overflow", sentence: "the packet did not fit, and is lost" },
  },
  WRITE: {
    22: { code: "socket", sentence: "there is no transport any more" },
  },
  NEW_PEER: {
    1: { code: "invalid", sentence: "the driver does not take these addresses" },
    5010: { code: "exists", sentence: "the adapter has a peer already" },
  },
  START_VPN: { 1: NO_PEER },
  SET_PEER: { 1: NO_PEER },
  SWAP_KEYS: { 1: NO_PEER },
  GET_STATS: { 1: NO_PEER },
  MP_SET_PEER: { 1: NO_PEER },
  MP_SWAP_KEYS: { 1: NO_PEER },
  MP_DEL_PEER: { 1168: NO_PEER },
  GET_PEER_STATS: { 2: NO_PEER },
  MP_ADD_IROUTE: { 1: NO_PEER, 2: NO_PEER, 1168: NO_PEER },
  NEW_KEY: {
    // The slot's old key is gone before the new one is looked at.
    1: {
      code: "unsupported",
      sentence: "this Windows does not have the cipher",
      capability: "ciphers",
      effect: "unknown",
    },
    2: NO_PEER,
    87: { code: "invalid", sentence: "the system refuses the key", effect: "unknown" },
  },
  MP_NEW_PEER: {
    1: { code: "invalid", sentence: "the driver does not take these addresses" },
    // Some versions leave a part of it behind.
    8: {
      code: "exists",
      sentence: "another peer has its VPN address or its remote",
      effect: "unknown",
    },
  },
  SET_MODE: {
    1: { code: "unsupported", sentence: "this version has no multi-peer mode", capability: "modes" },
    1247: { code: "exists", sentence: "the adapter is in multi-peer mode already" },
  },
  MP_START_VPN: {
    1247: { code: "exists", sentence: "the adapter has a transport already" },
    // The socket is there all the same.
    122: { code: "protocol", sentence: "the driver's structures are of other sizes", effect: "unknown" },
  },
};

/** The error for a request that failed. */
export function refusal(operation: Operation, failure: Failure): DcoError {
  const native = nativeOf(failure);
  const win32 = win32Of(failure);
  const meaning = meaningOf(operation, failure, win32);
  const what = meaning?.sentence ?? "the driver refuses it";
  const { code = "system", capability, field, effect = meaning ? "none" : "unknown" } = meaning ?? {};
  const name = win32 === undefined || failure.kind === "win32" ? native.name : `${native.name}, ${win32}`;
  return new DcoError(code, `${operation}: ${what} [${name}]`, { native, capability, field, effect });
}

function meaningOf(
  operation: Operation,
  { kind, number }: Failure,
  win32: number | undefined,
): Meaning | undefined {
  const own = kind === "ntstatus" ? BY_STATUS[number] : undefined;
  if (own !== undefined || win32 === undefined) return own;
  return SPECIAL[operation]?.[win32] ?? GENERAL[win32];
}

/** Whether an error says that the keepalive of the p2p peer has ended. */
export function isExpiry(error: unknown): boolean {
  return isWin32(error, ERROR_NETNAME_DELETED) && !isReset(error);
}

/** Whether an error says that a TCP connection is lost. */
export function isConnectionLost(error: unknown): boolean {
  return isWin32(error, ERROR_CONNECTION_ABORTED, ERROR_CONNECTION_INVALID) || isReset(error);
}

function isReset(error: unknown): boolean {
  return (
    DcoError.is(error) && error.native?.kind === "ntstatus" && error.native.number === STATUS_CONNECTION_RESET
  );
}

/** Whether an error is one of these Win32 codes, or a status that becomes one. */
export function isWin32(error: unknown, ...codes: number[]): boolean {
  if (!DcoError.is(error)) return false;
  const code = win32OfError(error.native);
  return code !== undefined && codes.includes(code);
}

export const ERROR_INVALID_FUNCTION = 1;
export const ERROR_ACCESS_DENIED = 5;
const ERROR_NETNAME_DELETED = 64;
export const ERROR_MORE_DATA = 234;
export const ERROR_OPERATION_ABORTED = 995;
const ERROR_CONNECTION_INVALID = 1229;
const ERROR_CONNECTION_ABORTED = 1236;
