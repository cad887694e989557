/**
 * What a random sequence is made of: calls of the contract as plain data, good and bad ones.
 *
 * Numbers stand for things that differ from subject to subject, such as interfaces and transports: they count what there
 * is, modulo how much there is, so that every sequence can be shortened and still means something.
 */
import fc from "fast-check";

/** Which interface of the sequence, in the order in which they were made; closed ones count. */
type On = number;

/** A remote address: of the transport's family, or of a given one; `zero` has a port that is refused. */
export type RemoteSpec = {
  readonly family: "fit" | 4 | 6 | "mapped" | "zero" | "text";
  readonly number: number;
};

/** VPN addresses by number; {@link BAD_ADDRESS} stands for one that is refused. */
export type VpnSpec = { readonly ipv4?: number; readonly ipv6?: number };

export type KeepaliveSpec = "off" | "on" | { readonly interval: unknown; readonly timeout: unknown };

export interface PeerFieldsSpec {
  readonly remote?: RemoteSpec;
  readonly vpn?: VpnSpec;
  readonly routes?: readonly number[];
  readonly keepalive?: KeepaliveSpec;
  readonly txId?: unknown;
}

export interface PeerSpec extends PeerFieldsSpec {
  readonly id: unknown;
  /** One of the interface's own. */
  readonly transport: number;
  /** One of another interface, or none at all. */
  readonly strange?: boolean;
  /** With VPN addresses in p2p mode, without any in multipeer mode. */
  readonly wrongVpn?: boolean;
  readonly replace?: boolean;
}

export interface KeySpec {
  readonly slot: unknown;
  readonly id: unknown;
  readonly cipher: unknown;
  /** Number of the material; {@link ZEROES} is all zero. The same number is the same key. */
  readonly encrypt: number;
  readonly decrypt: number;
  readonly short?: boolean;
  readonly wipe?: boolean;
}

/** What only some drivers can do: the others must say so. */
export const RARE = {
  addresses: "systemInterface",
  routes: "systemInterface",
  bypass: "bypassRoutes",
  adoptInterface: "adoptInterface",
  observe: "observe",
  adoptSocket: "adoptSocket",
  peerLocal: "peerLocalAddress",
  survive: "survivesProcess",
} as const;

export type Operation =
  | {
      readonly do: "createInterface";
      readonly name: number;
      readonly mode: unknown;
      readonly onExisting?: "fail" | "replace";
    }
  | { readonly do: "deleteInterface"; readonly name: number }
  | { readonly do: "listInterfaces" }
  | { readonly do: "closeInterface"; readonly on: On }
  | { readonly do: "closeDriver" }
  | { readonly do: "configure"; readonly on: On; readonly mtu?: unknown; readonly up?: unknown }
  | {
      readonly do: "openTransport";
      readonly on: On;
      readonly local: (typeof LOCALS)[number];
      readonly remote?: RemoteSpec;
      /** With `local: "clash"`: the transport whose address is taken. */
      readonly clash: number;
    }
  | { readonly do: "closeTransport"; readonly transport: number }
  | {
      readonly do: "send";
      readonly transport: number;
      readonly size: number;
      readonly opcode: number;
      readonly peer?: unknown;
      readonly to?: RemoteSpec;
    }
  | { readonly do: "addPeer"; readonly on: On; readonly peer: PeerSpec }
  | { readonly do: "addPeers"; readonly on: On; readonly peers: readonly PeerSpec[] }
  | { readonly do: "setPeer"; readonly on: On; readonly id: unknown; readonly fields: PeerFieldsSpec }
  | { readonly do: "removePeer"; readonly on: On; readonly id: unknown }
  | { readonly do: "swapKeys"; readonly on: On; readonly id: unknown }
  | { readonly do: "peer" | "keys"; readonly on: On; readonly id: unknown }
  | { readonly do: "removePeers" | "swapKeysOf"; readonly on: On; readonly ids: readonly unknown[] }
  | { readonly do: "installKey"; readonly on: On; readonly id: unknown; readonly key: KeySpec }
  | {
      readonly do: "installKeys";
      readonly on: On;
      readonly keys: readonly { readonly peer: unknown; readonly key: KeySpec }[];
    }
  | { readonly do: "deleteKey"; readonly on: On; readonly id: unknown; readonly slot: unknown }
  | { readonly do: "stats"; readonly on: On }
  | { readonly do: "peers"; readonly on: On }
  /** The peer's keepalive runs out; only for one that is there and has a key. */
  | { readonly do: "expire"; readonly on: On; readonly id: number }
  /** Calls about one peer, made without waiting for one another: they must follow each other all the same. */
  | { readonly do: "together"; readonly operations: readonly OfPeer[] }
  /** With a signal that has fired already. */
  | { readonly do: "aborted"; readonly operation: Abortable }
  | { readonly do: "rare"; readonly on: On; readonly what: keyof typeof RARE };

export type Abortable = Extract<
  Operation,
  { readonly do: "addPeer" | "setPeer" | "removePeer" | "installKey" | "swapKeys" | "peers" | "configure" }
>;

export type OfPeer = Extract<
  Operation,
  { readonly do: "addPeer" | "setPeer" | "removePeer" | "installKey" | "swapKeys" | "deleteKey" }
>;

export const LOCALS = [
  "loopback4",
  "loopback6",
  "any4",
  "any6",
  "only6",
  "clash",
  "strange",
  "bad",
  "none",
] as const;

/** Number of a VPN address or prefix that is refused. */
export const BAD_ADDRESS = 9;
/** Number of key material that is all zero. */
export const ZEROES = -1;

type Weighted<T> = readonly [weight: number, arbitrary: fc.Arbitrary<T>];
const oneOf = <T>(...choices: Weighted<T>[]): fc.Arbitrary<T> =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const of = <const T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const nothing = fc.constant(undefined);
const rarely = <T>(arbitrary: fc.Arbitrary<T>) => oneOf<T | undefined>([2, nothing], [1, arbitrary]);
const hardlyEver = <T>(arbitrary: fc.Arbitrary<T>) => oneOf<T | undefined>([24, nothing], [1, arbitrary]);
const often = <T>(arbitrary: fc.Arbitrary<T>) => oneOf<T | undefined>([1, nothing], [12, arbitrary]);

const on: fc.Arbitrary<number> = oneOf<number>([9, fc.constant(0)], [2, fc.constant(1)], [1, fc.constant(2)]);
const goodId = oneOf<number>([14, of(1, 2)], [3, fc.constant(3)], [1, of(0, 4, 0xfffffe)]);
const id: fc.Arbitrary<unknown> = oneOf<unknown>(
  [40, goodId],
  [1, of<unknown>(-1, 0xffffff, 1.5, "1", null)],
);
const family: fc.Arbitrary<RemoteSpec["family"]> = oneOf<RemoteSpec["family"]>(
  [24, fc.constant("fit") as fc.Arbitrary<RemoteSpec["family"]>],
  [2, of<RemoteSpec["family"]>(4, 6, "mapped")],
  [1, of("zero", "text")],
);
const remote: fc.Arbitrary<RemoteSpec> = fc.record({ family, number: fc.nat(3) });
const vpnNumber = oneOf([60, fc.nat(5)], [1, fc.constant(BAD_ADDRESS)]);
const vpn: fc.Arbitrary<VpnSpec> = oneOf<VpnSpec>(
  [6, fc.record({ ipv4: vpnNumber })],
  [16, fc.record({ ipv4: vpnNumber, ipv6: vpnNumber })],
  [4, fc.record({ ipv6: vpnNumber })],
  [1, fc.constant({})],
);
/** Even numbers are IPv4 prefixes, odd ones IPv6; 4 and 5 are the VPN addresses with number 1. */
const routes = fc.uniqueArray(oneOf([60, fc.nat(5)], [1, fc.constant(BAD_ADDRESS)]), { maxLength: 2 });
const keepalive: fc.Arbitrary<KeepaliveSpec> = oneOf<KeepaliveSpec>(
  [16, of("off", "on")],
  [8, of<KeepaliveSpec>({ interval: 100, timeout: 600 }, { interval: 600, timeout: 600 })],
  [
    1,
    of<KeepaliveSpec>(
      { interval: 0, timeout: 60 },
      { interval: 60, timeout: 10 },
      { interval: "1", timeout: 1 },
    ),
  ],
);
const txId = oneOf<unknown>([24, fc.nat(0xfffffe)], [1, of<unknown>(-1, 0x1000000, "2")]);
const peerFields = fc.record(
  { remote, vpn, routes, keepalive, txId },
  { requiredKeys: [] },
) as fc.Arbitrary<PeerFieldsSpec>;
const peer = fc
  .record({
    id,
    transport: fc.nat(3),
    strange: hardlyEver(fc.constant(true)),
    wrongVpn: hardlyEver(fc.constant(true)),
    replace: rarely(fc.boolean()),
    remote: often(remote),
    vpn,
    routes: rarely(routes),
    keepalive: rarely(keepalive),
    txId: rarely(txId),
  })
  .map(defined) as fc.Arbitrary<PeerSpec>;

const slot = oneOf<unknown>(
  [10, fc.constant("primary")],
  [14, fc.constant("secondary")],
  [1, of<unknown>("third", 0)],
);
const keyId = oneOf<unknown>([20, fc.nat(5)], [2, fc.constant(7)], [1, of<unknown>(8, -1, "0")]);
const cipher = oneOf<unknown>(
  [12, of("aes-128-gcm", "aes-192-gcm", "aes-256-gcm", "chacha20-poly1305")],
  [1, of<unknown>("aes-512-gcm", "none", undefined)],
);
const material = oneOf(
  // Without a bias for small numbers each is another.
  [40, fc.noBias(fc.integer({ min: 100, max: 0x7fffffff }))],
  [4, fc.nat(2)],
  [1, fc.constant(ZEROES)],
);
const key: fc.Arbitrary<KeySpec> = fc
  .record({
    slot,
    id: keyId,
    cipher,
    encrypt: material,
    decrypt: material,
    short: hardlyEver(fc.constant(true)),
    wipe: rarely(fc.boolean()),
  })
  .map(defined) as fc.Arbitrary<KeySpec>;

const few = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.array(arbitrary, { minLength: 0, maxLength: 5, size: "max" });

/**
 * Items of one call that are about different peers overlap: which of two that clash is refused nobody promises, so they
 * do not clash.
 */
function apart(peers: readonly PeerSpec[]): PeerSpec[] {
  const isAlone = new Set(peers.map((each) => each.id)).size === 1;
  const kept: PeerSpec[] = [];
  for (const each of peers) {
    const { replace: _, ...others } = each;
    const clashes = kept.some(
      ({ id, vpn, routes = [] }) =>
        id !== each.id &&
        ((vpn?.ipv4 !== undefined && vpn.ipv4 === each.vpn?.ipv4) ||
          (vpn?.ipv6 !== undefined && vpn.ipv6 === each.vpn?.ipv6) ||
          routes.some((number) => each.routes?.includes(number)) ||
          [...routes, ...(each.routes ?? [])].some((number) => number > 3)),
    );
    if (!clashes) kept.push(isAlone ? each : others);
  }
  return kept;
}

/** The same for keys: the same material does not go to different peers. */
function keysApart<T extends { readonly peer: unknown; readonly key: KeySpec }>(items: readonly T[]): T[] {
  return items.filter(({ peer, key }, n) =>
    items
      .slice(0, n)
      .every(
        (each) =>
          each.peer === peer || (each.key.encrypt !== key.encrypt && each.key.decrypt !== key.decrypt),
      ),
  );
}

function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}

const abortable = oneOf<Abortable>(
  [1, fc.record({ do: of("addPeer"), on, peer })],
  [1, fc.record({ do: of("setPeer"), on, id, fields: peerFields })],
  [1, fc.record({ do: of("removePeer"), on, id })],
  [1, fc.record({ do: of("swapKeys"), on, id })],
  [1, fc.record({ do: of("installKey"), on, id, key })],
  [1, fc.record({ do: of("peers"), on })],
  [1, fc.record({ do: of("configure"), on, up: fc.boolean() })],
);

/** An address that fits needs a peer that is there already. */
const changes = peerFields.map(({ remote: _, ...others }) => others);
const together: fc.Arbitrary<Operation> = fc
  .tuple(
    on,
    goodId,
    fc.array(
      oneOf<Record<string, unknown>>(
        [3, fc.record({ do: of("addPeer"), peer })],
        [1, fc.record({ do: of("setPeer"), fields: changes })],
        [2, fc.record({ do: of("removePeer") })],
        [3, fc.record({ do: of("installKey"), key })],
        [2, fc.record({ do: of("swapKeys") })],
        [1, fc.record({ do: of("deleteKey"), slot })],
      ),
      { minLength: 2, maxLength: 6, size: "max" },
    ),
  )
  .map(([on, id, calls]) => ({
    do: "together",
    operations: calls.map(
      ({ do: verb, peer, ...others }) =>
        (peer ? { do: verb, on, peer: { ...peer, id } } : { do: verb, on, id, ...others }) as OfPeer,
    ),
  }));

const mode = oneOf<unknown>(
  [10, fc.constant("multipeer")],
  [6, fc.constant("p2p")],
  [1, of<unknown>("tap", undefined)],
);

/** Any operation; those that make things are likelier than those that end them. */
export const operation: fc.Arbitrary<Operation> = oneOf<Operation>(
  [
    3,
    fc
      .record({
        do: of("createInterface"),
        name: oneOf([12, fc.nat(2)], [1, fc.constant(BAD_ADDRESS)]),
        mode,
        onExisting: rarely(of("fail", "replace")),
      })
      .map(defined) as fc.Arbitrary<Operation>,
  ],
  [
    1,
    oneOf<Operation>(
      [
        3,
        fc.record({ do: of("deleteInterface"), name: oneOf([8, fc.nat(2)], [1, fc.constant(BAD_ADDRESS)]) }),
      ],
      [3, fc.record({ do: of("closeInterface"), on })],
      [1, fc.record({ do: of("closeDriver") })],
    ),
  ],
  [2, fc.record({ do: of("listInterfaces") })],
  [
    5,
    fc.record(
      {
        do: of("configure"),
        on,
        mtu: oneOf<unknown>(
          [6, fc.integer({ min: 1280, max: 9000 }) as fc.Arbitrary<unknown>],
          [1, of<unknown>(67, 65452, 1300.5, "1400")],
        ),
        up: oneOf<unknown>([8, fc.boolean()], [1, of<unknown>("yes", 1)]),
      },
      { requiredKeys: ["do", "on"] },
    ) as fc.Arbitrary<Operation>,
  ],
  [
    7,
    fc
      .record({
        do: of("openTransport"),
        on,
        local: oneOf<(typeof LOCALS)[number]>(
          [8, of("loopback4", "loopback6", "any4", "any6", "only6")],
          [1, of("clash", "strange", "bad", "none")],
        ),
        remote: rarely(remote),
        clash: fc.nat(3),
      })
      .map(defined) as fc.Arbitrary<Operation>,
  ],
  [1, fc.record({ do: of("closeTransport"), transport: fc.nat(4) })],
  [
    6,
    fc
      .record({
        do: of("send"),
        transport: fc.nat(4),
        size: oneOf([8, fc.integer({ min: 4, max: 1400 })], [1, of(0, 3, 65508)]),
        opcode: oneOf([8, of(4, 5, 7, 10)], [1, of(6, 9)]),
        peer: rarely(id),
        to: rarely(remote),
      })
      .map(defined) as fc.Arbitrary<Operation>,
  ],
  [22, fc.record({ do: of("addPeer"), on, peer })],
  [7, fc.record({ do: of("addPeers"), on, peers: few(peer).map(apart) })],
  [10, fc.record({ do: of("setPeer"), on, id, fields: peerFields })],
  [3, fc.record({ do: of("removePeer"), on, id })],
  [1, fc.record({ do: of("removePeers"), on, ids: few(id) })],
  [22, fc.record({ do: of("installKey"), on, id, key })],
  [9, fc.record({ do: of("installKeys"), on, keys: few(fc.record({ peer: id, key })).map(keysApart) })],
  [7, fc.record({ do: of("swapKeys"), on, id })],
  [3, fc.record({ do: of("swapKeysOf"), on, ids: few(id) })],
  [6, fc.record({ do: of("deleteKey"), on, id, slot })],
  [2, fc.record({ do: of("keys", "peer"), on, id })],
  [2, fc.record({ do: of("stats", "peers"), on })],
  [6, together],
  [4, fc.record({ do: of("aborted"), operation: abortable })],
  [4, fc.record({ do: of("rare"), on, what: of(...(Object.keys(RARE) as (keyof typeof RARE)[])) })],
  [1, fc.record({ do: of("expire"), on, id: goodId })],
);
