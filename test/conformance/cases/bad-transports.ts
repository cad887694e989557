/**
 * Bad input of transports, listeners and control packets: refused with the field's name.
 */
import { randomBytes } from "node:crypto";
import type { DcoInterface, Transport } from "../../../src/core/contract.ts";
import type { ListenOptions, OpenTransportOptions, SendOptions } from "../../../src/core/model.ts";
import { type Case, group } from "../case.ts";
import { controlPacket, dataPacket } from "../packets.ts";
import { assertNoEffect, type Refusal } from "../refused.ts";
import { openEnd, openTunnel } from "../tunnel.ts";

type Row = readonly [what: string, change: object, field: string];

const LOCAL = "192.0.2.1:0";

/** Of `openTransport` with `protocol: "udp"`. */
const TRANSPORTS: readonly Row[] = [
  ["no address", {}, "local"],
  ["another protocol", { protocol: "sctp", local: LOCAL }, "protocol"],
  ["no protocol", { protocol: undefined, local: LOCAL }, "protocol"],
  ["a local address without a port", { local: "192.0.2.1" }, "local"],
  ["a local address that is none", { local: "192.0.2:1" }, "local.address"],
  ["a local port that is too high", { local: "192.0.2.1:65536" }, "local.port"],
  ["a negative local port", { local: { address: "192.0.2.1", port: -1 } }, "local.port"],
  ["a multicast local address", { local: "224.0.0.1:1194" }, "local.address"],
  ["a link-local address without a scope", { local: "[fe80::1]:0" }, "local.scopeId"],
  ["remote port 0", { remote: "192.0.2.2:0" }, "remote.port"],
  ["an unspecified remote", { remote: "0.0.0.0:1194" }, "remote.address"],
  ["an IPv6 remote and an IPv4 local address", { local: LOCAL, remote: "[2001:db8::1]:1" }, "remote"],
  ["an IPv4 remote and an IPv6 local address", { local: "[2001:db8::1]:0", remote: "192.0.2.2:1" }, "remote"],
  [
    "an IPv4 remote of an IPv6-only transport",
    { local: "[::]:0", dualStack: false, remote: "192.0.2.2:1" },
    "remote",
  ],
  ["a dual stack on IPv4", { local: LOCAL, dualStack: true }, "dualStack"],
  ["a dual stack on one IPv6 address", { local: "[2001:db8::1]:0", dualStack: true }, "dualStack"],
  ["a dual stack as text", { local: "[::]:0", dualStack: "yes" }, "dualStack"],
  ["an adopted socket that is bound again", { local: LOCAL, adopt: { fd: 3 } }, "local"],
  ["a negative descriptor", { adopt: { fd: -1 } }, "adopt.fd"],
  ["a fractional descriptor", { adopt: { fd: 3.5 } }, "adopt.fd"],
  ["a descriptor as text", { adopt: { fd: "3" } }, "adopt.fd"],
  ["a descriptor over an int", { adopt: { fd: 2 ** 31 } }, "adopt.fd"],
  ["no descriptor", { adopt: {} }, "adopt.fd"],
  ["another ownership", { adopt: { fd: 3, ownership: "steal" } }, "adopt.ownership"],
  ["a queue limit of 0", { local: LOCAL, queueLimit: 0 }, "queueLimit"],
  ["a fractional queue limit", { local: LOCAL, queueLimit: 1.5 }, "queueLimit"],
  ["a receive buffer of 0", { local: LOCAL, receiveBuffer: 0 }, "receiveBuffer"],
  ["a receive buffer over an int", { local: LOCAL, receiveBuffer: 2 ** 31 }, "receiveBuffer"],
  ["a signal that is none", { local: LOCAL, signal: {} }, "signal"],
];

/** Of `listen` with `protocol: "tcp"`. */
const LISTENERS: readonly Row[] = [
  ["no address", {}, "local"],
  ["another protocol", { protocol: "unix", local: LOCAL }, "protocol"],
  ["a local address without a port", { local: "192.0.2.1" }, "local"],
  ["a dual stack on IPv4", { local: LOCAL, dualStack: true }, "dualStack"],
  ["a backlog of 0", { local: LOCAL, backlog: 0 }, "backlog"],
  ["a queue limit below 0", { local: LOCAL, queueLimit: -1 }, "queueLimit"],
  ["a remote address", { local: LOCAL, remote: "192.0.2.2:1" }, "remote"],
];

function transportRefusals(dco: DcoInterface): Refusal[] {
  const open = TRANSPORTS.map(([what, change, field]) => ({
    what: `openTransport with ${what}`,
    field,
    call: () => dco.openTransport({ protocol: "udp", ...change } as OpenTransportOptions),
  }));
  open.push(
    {
      what: "openTransport over TCP without a remote",
      field: "remote",
      call: () => dco.openTransport({ protocol: "tcp", local: LOCAL }),
    },
    {
      what: "openTransport over TCP to port 0",
      field: "remote.port",
      call: () => dco.openTransport({ protocol: "tcp", remote: "192.0.2.2:0" }),
    },
    {
      what: "openTransport over TCP with an adopted socket and a remote",
      field: "remote",
      call: () => dco.openTransport({ protocol: "tcp", remote: "192.0.2.2:1", adopt: { fd: 3 } }),
    },
  );
  return open;
}

function packetRefusals(transport: Transport, largest: number): Refusal[] {
  const sized = (size: number) => controlPacket(Math.max(size, 1)).subarray(0, size);
  const packets: readonly [what: string, packet: unknown][] = [
    ["a DATA_V2 packet", dataPacket(1)],
    ...[48, 51, 55, 72, 75, 79].map((first): [string, Uint8Array] => [
      // Opcodes 6 and 9 with every kind of key id.
      `first byte ${first}`,
      Uint8Array.of(first, ...randomBytes(20)),
    ]),
    ...[0, 1, 3, largest + 1, largest + 100_000].map((size): [string, Uint8Array] => [
      `${size} bytes`,
      sized(size),
    ]),
    ["text", "hello"],
    ["an array", [32, 0, 0, 0]],
    ["an ArrayBuffer", new ArrayBuffer(42)],
    ["shared memory", new Uint8Array(new SharedArrayBuffer(42)).fill(32)],
    ["nothing", undefined],
  ];
  const good = controlPacket();
  const targets: readonly [what: string, options: object, field: string][] = [
    ["to port 0", { to: "192.0.2.2:0" }, "to.port"],
    ["to no address", { to: "server" }, "to"],
    ["to an unspecified address", { to: "0.0.0.0:1194" }, "to.address"],
    ["to a multicast address", { to: "224.0.0.1:1194" }, "to.address"],
    ["to a peer and an address", { peer: 1, to: "192.0.2.2:1194" }, "to"],
    ["with a signal that is none", { peer: 1, signal: true }, "signal"],
    ["to another family", { to: "[2001:db8::1]:1194" }, "to"],
  ];
  return [
    ...packets.map(([what, packet]) => ({
      what: `send of ${what}`,
      field: "packet",
      call: () => transport.send(packet as Uint8Array, { peer: 1 }),
    })),
    ...targets.map(([what, options, field]) => ({
      what: `send ${what}`,
      field,
      call: () => transport.send(good, options as SendOptions),
    })),
  ];
}

export const badTransportCases: Case[] = group("bad input", [
  {
    name: "bad addresses, mixed families, descriptors and limits of a transport are invalid",
    needs: ({ adoptSocket, transports }) =>
      adoptSocket && transports.length === 2 ? undefined : "the driver does not have all kinds of transports",
    async run(world) {
      const { dco } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      await assertNoEffect(world, world.server, dco, transportRefusals(dco));
    },
  },
  {
    name: "bad addresses and limits of a listener are invalid",
    needs: ({ listeners }) => (listeners.includes("tcp") ? undefined : "the driver cannot listen"),
    async run(world) {
      const { dco } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const refusals = LISTENERS.map(([what, change, field]) => ({
        what: `listen with ${what}`,
        field,
        call: () => dco.listen({ protocol: "tcp", ...change } as ListenOptions),
      }));
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "data packets, and packets that are too short or too long, are invalid and are not sent",
    async run(world) {
      const { server, client } = await openTunnel(world, { keys: false });
      const refusals = packetRefusals(server.transport, world.capabilities.maxControlPacket);
      await assertNoEffect(world, world.server, server.dco, refusals);
      // In order: whatever was sent before this would have come before it.
      await server.transport.send(controlPacket(), { peer: 1 });
      const { value } = await client.transport.packets().next();
      if (value?.data.length !== 42) throw new Error(`a packet of ${value?.data.length} bytes came first`);
      const { received, droppedData } = client.transport.counters;
      if (received !== 1n || droppedData !== 0n)
        throw new Error(`${received} and ${droppedData} packets came`);
    },
  },
]);
