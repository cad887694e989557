/**
 * Unknown options, and arguments of the wrong kind, for every verb.
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { DcoError } from "../../../src/core/errors.ts";
import { openDriver } from "../../../src/index.ts";
import { group } from "../case.ts";
import { freshKey } from "../keys.ts";
import { controlPacket } from "../packets.ts";
import { assertNoEffect, firstItem, type Refusal, stateOf } from "../refused.ts";
import { openEnd } from "../tunnel.ts";
import type { World } from "../world.ts";

const REMOTE = "192.0.2.99:1194";

/** Everything that a verb takes, loosely typed: what is passed here is wrong on purpose. */
type Verb = (...args: never[]) => unknown;

/** Every verb by name, bound, with good arguments. */
async function everyVerb(world: World) {
  const { driver, server } = world;
  const end = await openEnd(world, server, { mode: "multipeer", host: 1 });
  const { dco, transport } = end;
  const add = (id: number) => ({ id, transport, remote: REMOTE, vpn: { ipv4: `10.8.0.${id}` } });
  await dco.addPeer(add(1));
  await dco.installKey(1, freshKey());
  const udp = { protocol: "udp", local: `${server.ipv4}:0` };
  const verbs: Record<string, readonly [verb: Verb, args: readonly unknown[]]> = {
    openDriver: [openDriver as Verb, [{ backend: driver.info.backend }]],
    createInterface: [driver.createInterface.bind(driver) as Verb, [{ mode: "p2p", ...server.extras }]],
    adoptInterface: [driver.adoptInterface.bind(driver) as Verb, [dco.name, { ...server.extras }]],
    listInterfaces: [driver.listInterfaces.bind(driver) as Verb, [{ ...server.extras }]],
    deleteInterface: [driver.deleteInterface.bind(driver) as Verb, [dco.name, { ...server.extras }]],
    cleanUp: [driver.cleanUp.bind(driver) as Verb, [{ ...server.extras }]],
    configure: [dco.configure.bind(dco) as Verb, [{ mtu: 1300 }, {}]],
    linkUp: [dco.linkUp.bind(dco) as Verb, [{}]],
    openTransport: [dco.openTransport.bind(dco) as Verb, [udp]],
    listen: [dco.listen.bind(dco) as Verb, [{ protocol: "tcp", local: `${server.ipv4}:0` }]],
    addPeer: [dco.addPeer.bind(dco) as Verb, [add(2), {}]],
    setPeer: [dco.setPeer.bind(dco) as Verb, [1, { keepalive: "off" }, {}]],
    removePeer: [dco.removePeer.bind(dco) as Verb, [1, {}]],
    peer: [dco.peer.bind(dco) as Verb, [1, {}]],
    peers: [dco.peers.bind(dco) as Verb, [{}]],
    stats: [dco.stats.bind(dco) as Verb, [{}]],
    installKey: [dco.installKey.bind(dco) as Verb, [1, freshKey(1, "secondary"), {}]],
    swapKeys: [dco.swapKeys.bind(dco) as Verb, [1, {}]],
    deleteKey: [dco.deleteKey.bind(dco) as Verb, [1, "primary", {}]],
    keys: [dco.keys.bind(dco) as Verb, [1, {}]],
    addPeers: [dco.addPeers.bind(dco) as Verb, [[add(2)], {}]],
    installKeys: [dco.installKeys.bind(dco) as Verb, [[{ peer: 1, key: freshKey(1, "secondary") }], {}]],
    removePeers: [dco.removePeers.bind(dco) as Verb, [[1], {}]],
    send: [transport.send.bind(transport) as Verb, [controlPacket(), { peer: 1 }]],
    events: [dco.events.bind(dco) as Verb, [{}]],
    packets: [transport.packets.bind(transport) as Verb, [{}]],
  };
  return { end, add, verbs };
}

/** These give an iterator at once, so they throw instead of rejecting. */
const SYNCHRONOUS = ["events", "packets"];

/** Calls a verb, and puts what it throws where a promise would have it. */
function callOf(name: string, verb: Verb, args: readonly unknown[]): Refusal["call"] {
  const call = () => verb(...(args as never[])) as Promise<unknown>;
  return SYNCHRONOUS.includes(name) ? async () => call() : call;
}

export const badArgumentCases = group("bad input", [
  {
    name: "an unknown option is invalid and named, for every verb and in every object",
    async run(world) {
      const { end, add, verbs } = await everyVerb(world);
      const { dco, transport } = end;
      const refusals: Refusal[] = [];
      for (const [name, [verb, args]] of Object.entries(verbs)) {
        for (const [at, argument] of args.entries()) {
          if (typeof argument !== "object" || argument === null) continue;
          if (Array.isArray(argument) || argument instanceof Uint8Array) continue;
          const bad = args.with(at, { ...argument, bogus: undefined });
          refusals.push({ what: `${name}, argument ${at}`, field: "bogus", call: callOf(name, verb, bad) });
        }
      }
      const key = freshKey(1, "secondary");
      const inside: readonly [what: string, field: string, call: () => Promise<unknown>][] = [
        ["a peer's remote", "remote.bogus", () => dco.addPeer({ ...add(2), remote: bogus({ port: 1 }) })],
        ["a peer's vpn", "vpn.bogus", () => dco.addPeer({ ...add(2), vpn: bogus({ ipv4: "10.8.0.2" }) })],
        ["a keepalive", "keepalive.bogus", () => dco.setPeer(1, { keepalive: bogus({ interval: 1 }) })],
        [
          "a key's direction",
          "encrypt.bogus",
          () => dco.installKey(1, { ...key, encrypt: bogus(key.encrypt) }),
        ],
        [
          "a route",
          "routes[0].bogus",
          () => dco.configure({ routes: [bogus({ destination: "10.0.0.0/8" })] }),
        ],
        [
          "an adopted socket",
          "adopt.bogus",
          () => dco.openTransport({ protocol: "udp", adopt: bogus({ fd: 3 }) }),
        ],
        [
          "a local address",
          "local.bogus",
          () => dco.openTransport({ protocol: "udp", local: bogus({ port: 1 }) }),
        ],
        ["a destination", "to.bogus", () => transport.send(controlPacket(), { to: bogus({ port: 1 }) })],
        ["a peer in bulk", "peers[0].bogus", () => firstItem(dco.addPeers([bogus(add(2))]))],
        [
          "a key in bulk",
          "keys[0].key.bogus",
          () => firstItem(dco.installKeys([{ peer: 1, key: bogus(key) }])),
        ],
        ["an item in bulk", "keys[0].bogus", () => firstItem(dco.installKeys([bogus({ peer: 1, key })]))],
      ];
      refusals.push(...inside.map(([what, field, call]) => ({ what, field, call })));
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "an argument of the wrong kind gives a DcoError for every verb, by rejection, and has no effect",
    async run(world) {
      const { end, verbs } = await everyVerb(world);
      const before = await stateOf(world, world.server, end.dco);
      const problems: string[] = [];
      for (const [name, [verb, args]] of Object.entries(verbs)) {
        for (const at of args.keys()) {
          for (const [what, bad] of WRONG) {
            const error = await errorOf(callOf(name, verb, args.with(at, bad)));
            if (!DcoError.is(error))
              problems.push(`${name}, argument ${at}, ${what}: ${inspect(error, { depth: 1 })}`);
            else if (error.operation !== name) problems.push(`${name}: says ${error.operation}`);
            else if (/201\D{1,8}202/.test(JSON.stringify(error) + inspect(error, { depth: 9 })))
              problems.push(`${name}, argument ${at}: repeats the bytes that it was given`);
          }
        }
      }
      assert.deepEqual(problems, []);
      assert.deepEqual(await stateOf(world, world.server, end.dco), before);
    },
  },
]);

/** Wrong wherever they stand. */
const WRONG: readonly [what: string, value: unknown][] = [
  ["null", null],
  ["a number", 1e9],
  ["a bigint", 7n],
  ["a text", "\0"],
  ["a symbol", Symbol("x")],
  ["a function", () => 1],
  ["true", true],
  ["bytes", Uint8Array.of(201, 202, 203)],
  ["an object without a prototype", Object.assign(Object.create(null), { bogus: 1 })],
  [
    "an object that cannot be read",
    new Proxy(
      {},
      {
        get() {
          throw new Error("no");
        },
        ownKeys() {
          throw new Error("no");
        },
      },
    ),
  ],
];

function bogus<T extends object>(value: object): T {
  return { ...value, bogus: 1 } as unknown as T;
}

async function errorOf(call: () => Promise<unknown>): Promise<unknown> {
  let promise: Promise<unknown>;
  try {
    promise = call();
  } catch (thrown) {
    return { threwInsteadOfRejecting: thrown };
  }
  return promise.then(
    (value) => ({ wasTaken: value }),
    (error: unknown) => error,
  );
}
