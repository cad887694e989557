import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DcoError } from "../../../src/core/errors.ts";
import * as validate from "../../../src/core/validate.ts";
import { capabilities, rules } from "./fixtures.ts";

const can = capabilities();
const p2p = { mode: "p2p", capabilities: can } as const;
const multipeer = { mode: "multipeer", capabilities: can } as const;
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);
const key = {
  slot: "secondary",
  id: 3,
  cipher: "aes-128-gcm",
  encrypt: { key: bytes(16, 1), nonceTail: bytes(8, 2) },
  decrypt: { key: bytes(16, 3), nonceTail: bytes(8, 4) },
  wipe: true,
};
const peer = {
  id: 7,
  transport: {},
  remote: { address: "198.51.100.7", port: 40000 },
  local: "198.51.100.1",
  vpn: { ipv4: "10.8.0.7", ipv6: "fd00::7" },
  routes: ["192.168.7.0/24", "2001:db8::/32"],
  keepalive: { interval: 10, timeout: 60 },
  txId: 8,
  replace: true,
};
const { id: _id, transport: _transport, replace: _replace, ...change } = peer;
const transport = { protocol: "udp", dualStack: true, queueLimit: 9, local: { address: "::", port: 0 } };

/** Each validator with an argument that it takes, to be spoilt. */
const VALIDATORS: Readonly<Record<string, readonly [(given: unknown) => unknown, unknown]>> = {
  createInterface: [
    (given) => validate.validateCreateInterface(given, rules, can),
    { mode: "p2p", name: "vpn0", onExisting: "adopt", deleteOnClose: true, namespace: "blue" },
  ],
  "adoptInterface name": [(given) => validate.validateAdoptInterface(given, {}, rules, can), "vpn0"],
  adoptInterface: [
    (given) => validate.validateAdoptInterface("vpn0", given, rules, can),
    { role: "owner", peers: "flush", deleteOnClose: true },
  ],
  extras: [
    (given) => validate.validateExtras(given, rules.extras.createInterface, ["signal"]),
    { namespace: "blue" },
  ],
  configure: [
    (given) => validate.validateConfigure(given, "multipeer", can),
    {
      addresses: ["10.8.0.2/24", "fd00::2/64"],
      mtu: 1400,
      up: true,
      routes: ["0.0.0.0/0", { destination: "10.0.0.0/8", via: "10.8.0.1", metric: 5 }],
      bypass: ["198.51.100.1"],
    },
  ],
  openTransport: [
    (given) => validate.validateOpenTransport(given, rules, can),
    { ...transport, remote: { address: "198.51.100.7", port: 1194 }, receiveBuffer: 5, mark: 3 },
  ],
  "openTransport adopting": [
    (given) => validate.validateOpenTransport(given, rules, can),
    { protocol: "udp", adopt: { fd: 3, ownership: "take" } },
  ],
  listen: [(given) => validate.validateListen(given, rules, can), { ...transport, backlog: 3 }],
  "addPeer in multipeer": [(given) => validate.validateAddPeer(given, multipeer), peer],
  "addPeer in p2p": [
    (given) => validate.validateAddPeer(given, p2p),
    { id: 1, transport: {}, keepalive: "off" },
  ],
  setPeer: [(given) => validate.validateSetPeer(given, multipeer), change],
  peerId: [(given) => validate.validatePeerId(given), 7],
  slot: [(given) => validate.validateSlot(given), "primary"],
  key: [(given) => validate.validateKey(given, can), key],
  "send packet": [(given) => validate.validateSend(given, undefined, can), bytes(9, 0x20)],
  "send options": [
    (given) => validate.validateSend(bytes(9, 0x20), given, can),
    { to: { address: "fe80::1", port: 1, scopeId: 2 } },
  ],
  callOptions: [(given) => validate.validateCallOptions(given), { signal: new AbortController().signal }],
  eventOptions: [(given) => validate.validateEventOptions(given), { queueLimit: 5 }],
  bulkOptions: [(given) => validate.validateBulkOptions(given), { onProgress: () => {} }],
  array: [(given) => validate.validateArray(given, "ids"), [1]],
};

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withObjectString: true,
  withTypedArray: true,
  withSparseArray: true,
});

/** Values that are nearly right more often than chance would have it. */
const likely = fc.oneof(
  anything,
  fc.constantFrom(
    "p2p",
    "multipeer",
    "udp",
    "tcp",
    "off",
    "primary",
    "",
    "::",
    "0.0.0.0/0",
    "[::1]:5",
    -1,
    0,
    2 ** 32,
  ),
  fc.ipV4(),
  fc.ipV6(),
  fc.uint8Array({ maxLength: 40 }),
);

function paths(value: unknown, path: string[] = []): string[][] {
  const nested = typeof value === "object" && value !== null && !ArrayBuffer.isView(value);
  return [
    path,
    ...(nested ? Object.entries(value).flatMap(([name, part]) => paths(part, [...path, name])) : []),
  ];
}

function replaced(value: unknown, [name, ...rest]: readonly string[], by: unknown): unknown {
  if (name === undefined) return by;
  const copy: Record<string, unknown> = Array.isArray(value)
    ? ([...value] as never)
    : { ...(value as object) };
  copy[name] = replaced(copy[name], rest, by);
  return copy;
}

/** A value or a refusal, and nothing else. Returns which. */
function attempt(check: (given: unknown) => unknown, given: unknown): "taken" | "refused" {
  try {
    check(given);
    return "taken";
  } catch (error) {
    if (!DcoError.is(error)) throw error;
    expect(["invalid", "unsupported"]).toContain(error.code);
    if (error.code === "invalid") expect(error.field).toMatch(/./s);
    expect(error.message.length).toBeLessThan(400);
    return "refused";
  }
}

describe.each(Object.entries(VALIDATORS))("validation of %s", (_name, [check, good]) => {
  it("takes the argument that the other cases spoil", () => {
    expect(attempt(check, good)).toBe("taken");
  });

  it("gives a value or a refusal for anything", () => {
    fc.assert(
      fc.property(likely, (given) => void attempt(check, given)),
      { numRuns: 300 },
    );
  });

  it("gives a value or a refusal for an argument with one part replaced", () => {
    const parts = fc.constantFrom(...paths(good));
    fc.assert(
      fc.property(parts, likely, (path, by) => void attempt(check, replaced(good, path, by))),
      {
        numRuns: 500,
      },
    );
  });

  it("refuses an unknown option", () => {
    if (typeof good !== "object" || Array.isArray(good) || ArrayBuffer.isView(good)) {
      expect(attempt(check, {})).toBe("refused");
    } else {
      expect(attempt(check, { ...good, definitelyUnknown: undefined })).toBe("refused");
    }
  });
});
