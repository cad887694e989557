/**
 * Bad input of the peer verbs: refused with the field's name, before the kernel is asked.
 */
import type { DcoInterface, Transport } from "../../../src/core/contract.ts";
import type { AddPeerOptions, SetPeerOptions } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { freshKey } from "../keys.ts";
import { assertNoEffect, firstItem, type Refusal } from "../refused.ts";
import { nowhere, openEnd } from "../tunnel.ts";
import type { World } from "../world.ts";

const REMOTE = "192.0.2.99:1194";
const VPN = { ipv4: "10.8.0.9" };

/** What is no peer id, whoever asks. */
const BAD_IDS: readonly unknown[] = [
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  0xffffff,
  2 ** 32,
  2 ** 53,
  "1",
  1n,
  null,
  undefined,
  true,
  [1],
  { id: 1 },
];

/** An interface with one peer and one key. */
async function openPeer(world: World, mode: "p2p" | "multipeer") {
  const end = await openEnd(world, world.server, {
    mode,
    host: 1,
    ...(mode === "p2p" && { remote: nowhere(0) }),
  });
  const { dco, transport } = end;
  await dco.addPeer({ id: 1, transport, remote: REMOTE, ...(mode === "multipeer" && { vpn: VPN }) });
  await dco.installKey(1, freshKey());
  return { dco, transport };
}

/** Rows of `addPeer` on a multipeer interface: what is changed in good options, and the field that is named. */
type Row = readonly [what: string, change: object, field: string];

const ADDRESSES: readonly Row[] = [
  ["no remote at all", { remote: undefined }, "remote"],
  ["a remote of another kind", { remote: 1194 }, "remote"],
  ["a remote without a port", { remote: "192.0.2.1" }, "remote"],
  ["a remote that is no address", { remote: "300.0.2.1:1194" }, "remote.address"],
  ["a remote with a short address", { remote: "192.0.2:1194" }, "remote.address"],
  ["a remote with a leading zero", { remote: "192.0.2.01:1194" }, "remote.address"],
  ["a remote by name", { remote: "vpn.example:1194" }, "remote.address"],
  ["an IPv6 remote without brackets", { remote: "2001:db8::1:1194" }, "remote"],
  ["an IPv6 remote of an IPv4 transport", { remote: "[2001:db8::1]:1194" }, "remote"],
  ["a link-local remote without a scope", { remote: "[fe80::1]:1194" }, "remote.scopeId"],
  [
    "a scope of an address that has none",
    { remote: { address: "192.0.2.1", port: 1, scopeId: 2 } },
    "remote.scopeId",
  ],
  ["remote port 0", { remote: "192.0.2.1:0" }, "remote.port"],
  ["a remote port that is too high", { remote: "192.0.2.1:65536" }, "remote.port"],
  ["a fractional remote port", { remote: { address: "192.0.2.1", port: 1.5 } }, "remote.port"],
  ["a remote without its port", { remote: { address: "192.0.2.1" } }, "remote.port"],
  ["a remote without its address", { remote: { port: 1194 } }, "remote.address"],
  ["an unspecified remote", { remote: "0.0.0.0:1194" }, "remote.address"],
  ["a multicast remote", { remote: "224.0.0.1:1194" }, "remote.address"],
  ["a broadcast remote", { remote: "255.255.255.255:1194" }, "remote.address"],
  ["a local address that is none", { local: "here" }, "local"],
  ["a local address with a port", { local: "192.0.2.1:1194" }, "local"],
  ["a local address of another family", { local: "2001:db8::1" }, "local"],
  ["an unspecified local address", { local: "0.0.0.0" }, "local"],
];

const VPN_ADDRESSES: readonly Row[] = [
  ["no VPN addresses in multipeer mode", { vpn: undefined }, "vpn"],
  ["empty VPN addresses", { vpn: {} }, "vpn"],
  ["VPN addresses as text", { vpn: "10.8.0.9" }, "vpn"],
  ["a VPN address with a prefix length", { vpn: { ipv4: "10.8.0.9/24" } }, "vpn.ipv4"],
  ["an IPv6 address as vpn.ipv4", { vpn: { ipv4: "fd00::1" } }, "vpn.ipv4"],
  ["an IPv4 address as vpn.ipv6", { vpn: { ipv6: "10.8.0.9" } }, "vpn.ipv6"],
  ["a mapped IPv4 address as vpn.ipv6", { vpn: { ipv6: "::ffff:10.8.0.9" } }, "vpn.ipv6"],
  ["a bad address next to a good one", { vpn: { ipv4: "10.8.0.9", ipv6: "fd00::g" } }, "vpn.ipv6"],
  ["an unspecified VPN address", { vpn: { ipv4: "0.0.0.0" } }, "vpn.ipv4"],
  ["an unspecified IPv6 VPN address", { vpn: { ipv6: "::" } }, "vpn.ipv6"],
  ["a loopback VPN address", { vpn: { ipv6: "::1" } }, "vpn.ipv6"],
  ["a multicast VPN address", { vpn: { ipv6: "ff02::1" } }, "vpn.ipv6"],
  ["a broadcast VPN address", { vpn: { ipv4: "255.255.255.255" } }, "vpn.ipv4"],
];

const KEEPALIVES: readonly Row[] = [
  ["keepalive without a timeout", { keepalive: { interval: 10 } }, "keepalive.timeout"],
  ["keepalive without an interval", { keepalive: { timeout: 60 } }, "keepalive.interval"],
  ["a timeout below the interval", { keepalive: { interval: 60, timeout: 59 } }, "keepalive.timeout"],
  ["an interval of 0", { keepalive: { interval: 0, timeout: 60 } }, "keepalive.interval"],
  ["a timeout of 0", { keepalive: { interval: 10, timeout: 0 } }, "keepalive.timeout"],
  ["a negative interval", { keepalive: { interval: -1, timeout: 60 } }, "keepalive.interval"],
  ["a fractional interval", { keepalive: { interval: 0.5, timeout: 60 } }, "keepalive.interval"],
  ["a timeout over 32 bits", { keepalive: { interval: 1, timeout: 2 ** 32 } }, "keepalive.timeout"],
  ["keepalive as text", { keepalive: "on" }, "keepalive"],
  ["keepalive as a number", { keepalive: 10 }, "keepalive"],
];

const OTHERS: readonly Row[] = [
  ["no transport", { transport: undefined }, "transport"],
  ["something else as the transport", { transport: { fd: 3 } }, "transport"],
  ["replace as text", { replace: "yes" }, "replace"],
  ["routes as text", { routes: "10.20.0.0/16" }, "routes"],
  ["a route with host bits", { routes: ["10.20.0.1/16"] }, "routes[0]"],
  ["a route that is no prefix", { routes: ["10.20.0.0/33"] }, "routes[0]"],
];

const ADD_ROWS = [...ADDRESSES, ...VPN_ADDRESSES, ...KEEPALIVES, ...OTHERS];

/** Good options of a peer of a multipeer interface, and a change that makes them bad. */
function peerWith(transport: Transport, change: object): AddPeerOptions {
  return { id: 2, transport, remote: REMOTE, vpn: { ipv4: "10.8.0.10" }, ...change };
}

type IdVerb = readonly [field: string, verb: (id: number) => Refusal["call"]];

/** The verbs that take a peer id, and what they call it. */
function idVerbs(dco: DcoInterface, transport: Transport): readonly IdVerb[] {
  const key = freshKey(1, "secondary");
  const packet = Uint8Array.of(32, 0, 0, 0);
  const deleteKey: IdVerb = ["peer", (peer) => () => dco.deleteKey(peer, "primary")];
  return [
    ["id", (id) => () => dco.addPeer(peerWith(transport, { id }))],
    ["id", (id) => () => dco.setPeer(id, { keepalive: "off" })],
    ["id", (id) => () => dco.removePeer(id)],
    ["id", (id) => () => dco.peer(id)],
    ["peer", (peer) => () => dco.installKey(peer, key)],
    ["peer", (peer) => () => dco.swapKeys(peer)],
    ...(dco.capabilities.deleteKey ? [deleteKey] : []),
    ["peer", (peer) => () => dco.keys(peer)],
    ["peers[0].id", (id) => () => firstItem(dco.addPeers([peerWith(transport, { id })]))],
    ["ids[0]", (id) => () => firstItem(dco.removePeers([id]))],
    ["keys[0].peer", (peer) => () => firstItem(dco.installKeys([{ peer, key }]))],
    // No peer at all is the transport's own remote, which this one has not.
    ["peer", (peer) => () => transport.send(packet, { peer: peer === undefined ? -1 : peer })],
  ];
}

export const badPeerCases = group("bad input", [
  {
    name: "a peer id below 0, fractional, not a number, or over 0xFFFFFE is invalid, for every verb",
    async run(world) {
      const { dco, transport } = await openPeer(world, "multipeer");
      const refusals = idVerbs(dco, transport).flatMap(([field, verb]) =>
        BAD_IDS.map((id) => ({
          what: `${verb(0)} with ${typeof id} ${String(id)}`,
          field,
          call: verb(id as number),
        })),
      );
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "txId has the limits of a peer id",
    needs: ({ asymmetricPeerId }) => (asymmetricPeerId ? undefined : "the kernel knows no txId"),
    async run(world) {
      const { dco, transport } = await openPeer(world, "multipeer");
      const bad = BAD_IDS.filter((id) => id !== undefined) as number[];
      const refusals = bad.flatMap((txId) => [
        {
          what: `addPeer ${txId}`,
          field: "txId",
          call: () => dco.addPeer(peerWith(transport, { txId })),
        },
        { what: `setPeer ${txId}`, field: "txId", call: () => dco.setPeer(1, { txId }) },
      ]);
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "bad and mixed addresses, VPN addresses, keepalives and other fields of a peer are invalid",
    async run(world) {
      const { dco, transport } = await openPeer(world, "multipeer");
      const refusals: Refusal[] = ADD_ROWS.map(([what, change, field]) => ({
        what: `addPeer with ${what}`,
        field,
        call: () => dco.addPeer(peerWith(transport, change)),
      }));
      const inBulk = ADD_ROWS.map(([what, change, field]) => ({
        what: `addPeers with ${what}`,
        field: `peers[0].${field}`,
        call: () => firstItem(dco.addPeers([peerWith(transport, change)])),
      }));
      await assertNoEffect(world, world.server, dco, [...refusals, ...inBulk]);
    },
  },
  {
    name: "what is bad for addPeer is bad for setPeer, and so is nothing to change",
    async run(world) {
      const { dco } = await openPeer(world, "multipeer");
      const settable = [...ADDRESSES, ...VPN_ADDRESSES, ...KEEPALIVES].filter(
        // Left out means "as it is", and only with a remote the families can be compared here.
        ([what, change]) =>
          !Object.values(change).includes(undefined) &&
          what !== "a local address of another family" &&
          (world.capabilities.setRemote || what !== "an IPv6 remote of an IPv4 transport"),
      );
      const refusals: Refusal[] = settable.map(([what, change, field]) => ({
        what: `setPeer with ${what}`,
        field,
        call: () => dco.setPeer(1, change as SetPeerOptions),
      }));
      refusals.push({ what: "setPeer with nothing", field: "options", call: () => dco.setPeer(1, {}) });
      if (world.capabilities.peerRoutes) {
        refusals.push({
          what: "setPeer with a route of a family that it has no VPN address of",
          field: "routes[1]",
          call: () => dco.setPeer(1, { routes: ["10.9.0.0/16", "fd00:9::/64"] }),
        });
      }
      if (world.capabilities.setRemote) {
        refusals.push({
          what: "setPeer with a local and a remote address of two families",
          field: "local",
          call: () => dco.setPeer(1, { remote: REMOTE, local: "2001:db8::1" }),
        });
      }
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "setPeer with a local address and no remote is invalid: the kernel sets both together",
    needs: ({ peerLocalAddress, setRemote }) =>
      peerLocalAddress && setRemote ? undefined : "a peer's local address cannot be set later",
    async run(world) {
      const { dco } = await openPeer(world, "multipeer");
      const refusals = ["2001:db8::1", world.server.ipv4].map((local) => ({
        what: `local ${local} without a remote`,
        field: "local",
        call: () => dco.setPeer(1, { local }),
      }));
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "VPN addresses in p2p mode are invalid, for addPeer and setPeer",
    async run(world) {
      const { dco, transport } = await openPeer(world, "p2p");
      const add = { id: 2, transport, remote: REMOTE, replace: true };
      const refusals = [VPN, { ipv6: "fd00::9" }, {}].flatMap((vpn) => [
        { what: "addPeer", field: "vpn", call: () => dco.addPeer({ ...add, vpn }) },
        { what: "setPeer", field: "vpn", call: () => dco.setPeer(1, { vpn }) },
      ]);
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
]);
