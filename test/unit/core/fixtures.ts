/**
 * What the tests of core share: capabilities of a kernel that can do everything, and checks of refusals.
 */
import { expect } from "vitest";
import type { BackendRules } from "../../../src/core/backend.ts";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { CIPHERS } from "../../../src/core/model.ts";

const EVERYTHING: Capabilities = {
  modes: ["p2p", "multipeer"],
  transports: ["udp", "tcp"],
  listeners: ["udp", "tcp"],
  maxTransports: 16,
  dualStack: true,
  anyRemote: true,
  adoptSocket: true,
  localAddressKnown: true,
  closeTransport: true,
  peerEndsTransport: [],
  maxControlPacket: 1500,
  ciphers: CIPHERS,
  deleteKey: true,
  readKeys: true,
  replacePeer: true,
  setRemote: true,
  setVpn: true,
  peerLocalAddress: true,
  asymmetricPeerId: true,
  peerRoutes: true,
  bypassRoutes: true,
  routeMetric: true,
  disarmKeepalive: true,
  keepaliveWhenIdle: true,
  floatEvent: "event",
  hostMoves: [4, 6],
  floatAuthenticated: true,
  keyExhaustedEvent: true,
  rekeyAdvisedEvent: true,
  finalStats: true,
  eventQueue: undefined,
  linkStats: true,
  packetStats: true,
  countsPings: false,
  listPeers: true,
  linkDown: true,
  systemInterface: true,
  tunDevice: false,
  readPeers: true,
  replayProtection: "always",
  sourceCheck: ["multipeer"],
  linkFollowsPeer: true,
  survivesProcess: true,
  peersSurviveProcess: false,
  adoptInterface: true,
  observe: true,
  createInterface: true,
  mtu: { min: 68, max: 65451, default: 1416 },
  errorText: true,
  namespaces: true,
  socketMark: ["udp", "tcp"],
  bindToDevice: ["tcp"],
};

/** A kernel that can do everything, except as told. */
export function capabilities(except: Partial<Capabilities> = {}): Capabilities {
  return { ...EVERYTHING, ...except };
}

/** A platform that takes names of up to 15 letters, digits and hyphens, and one option of its own a verb. */
export const rules: BackendRules = {
  interfaceNameProblem: (name) => (/^[a-z0-9-]{1,15}$/.test(name) ? undefined : "is no name of an interface"),
  extras: {
    createInterface: { namespace: (value) => (typeof value === "string" ? undefined : "must be a string") },
    openTransport: { mark: (value) => (typeof value === "number" ? undefined : "must be a number") },
  },
};

/** The error that a call throws; fails if it throws none, or something else. */
export function refusal(call: () => unknown): DcoError {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    if (DcoError.is(error)) return error;
    throw error;
  }
  throw new Error(`nothing was refused; the result was ${JSON.stringify(result)}`);
}

/** The call is refused because of this field, and the message says both the field and the problem. */
export function expectInvalid(call: () => unknown, field: string, problem: RegExp): void {
  const error = refusal(call);
  expect({ code: error.code, field: error.field }).toEqual({ code: "invalid", field });
  expect(error.message.startsWith(`${field}: `)).toBe(true);
  expect(error.message).toMatch(problem);
}

/** The call is refused because the kernel cannot do it. */
export function expectUnsupported(call: () => unknown, capability: keyof Capabilities): void {
  const error = refusal(call);
  expect({ code: error.code, capability: error.capability }).toEqual({ code: "unsupported", capability });
}
