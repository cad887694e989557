/**
 * Which way the packets of a transport take on Linux: its mark, and the interface that it is bound to.
 */
import assert from "node:assert/strict";
import type { Listener, Transport } from "../../../src/core/contract.ts";
import type { TransportProtocol } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { rejects } from "../expect.ts";
import { ip, LINUX_ONLY } from "../linux/raw.ts";
import { controlPacket, expectPacket } from "../packets.ts";
import { assertReaches, assertSilent, connect, type End, openEnd } from "../tunnel.ts";
import type { Site, World } from "../world.ts";

const MARK = 7;
const TABLE = "100";
const WIRE = "wire";
/** An interface that leads nowhere. */
const BLIND = "dk-blind";

/** The address of a site that only marked packets can come from and go to. */
function farOf(site: Site, world: World, family: 4 | 6): string {
  const host = site === world.server ? 1 : 2;
  return family === 6 ? `2001:db8:ffff::${host}` : `203.0.113.${host}`;
}

/** Gives two sites addresses that reach each other by a table of their own, which is for marked packets. */
async function addFar(world: World, one: Site, other: Site, family: 4 | 6): Promise<void> {
  const way = family === 6 ? "-6" : "-4";
  for (const [site, peer] of [
    [one, other],
    [other, one],
  ] as const) {
    const own = `${farOf(site, world, family)}/${family === 6 ? 128 : 32}`;
    const to = farOf(peer, world, family);
    const via = family === 6 ? peer.ipv6 : peer.ipv4;
    await ip(site, "addr", "add", own, "dev", WIRE, ...(family === 6 ? ["nodad"] : []));
    await ip(site, way, "route", "add", to, "via", via, "dev", WIRE, "table", TABLE);
    await ip(site, way, "rule", "add", "fwmark", `${MARK}`, "lookup", TABLE);
    world.onClose(async () => {
      await ip(site, way, "rule", "del", "fwmark", `${MARK}`, "lookup", TABLE);
      await ip(site, way, "route", "flush", "table", TABLE);
      await ip(site, "addr", "del", own, "dev", WIRE);
    });
  }
}

/** Two ends with transports of a protocol, made with these options at each end. */
async function openEnds(
  world: World,
  protocol: TransportProtocol,
  addresses: readonly [server: string, client: string],
  options: readonly [server: object, client: object],
): Promise<{ server: End; client: End }> {
  const site = world.clients[0];
  const local = { address: addresses[0], port: 1194 };
  const own = { address: addresses[1], port: 0 };
  if (protocol === "udp") {
    const server = await openEnd(world, world.server, {
      mode: "multipeer",
      host: 1,
      transport: { local, ...options[0] },
    });
    const client = await openEnd(world, site, {
      mode: "p2p",
      host: 2,
      transport: { local: own, remote: local, ...options[1] },
    });
    return { server, client };
  }
  // Its own transport is not used.
  const server = await openEnd(world, world.server, {
    mode: "multipeer",
    host: 1,
    transport: { local: { address: world.server.ipv4, port: 0 } },
  });
  const listener: Listener = await server.dco.listen({ protocol, local, ...options[0] } as never);
  const client = await openEnd(world, site, {
    mode: "p2p",
    host: 2,
    transport: { protocol, remote: local, local: own, ...options[1] },
  });
  const { value } = await listener[Symbol.asyncIterator]().next();
  return { server: { ...server, transport: value as Transport }, client };
}

function join(protocol: TransportProtocol, server: End, client: End, family: 4 | 6 = 4) {
  const tcp = { server: { remote: undefined }, client: { remote: undefined } } as object;
  return connect(server, client, { family, ...(protocol === "tcp" && tcp) });
}

const carries = (protocol: TransportProtocol) => ({
  needs: (capabilities: World["capabilities"]) =>
    LINUX_ONLY.needs(capabilities) ??
    (capabilities.transports.includes(protocol) ? undefined : `no ${protocol} transports`),
});

export const socketOptionCases = group("transports", [
  ...(
    [
      ["udp", 4],
      ["udp", 6],
      ["tcp", 4],
      ["tcp", 6],
    ] as const
  ).map(([protocol, family]) => ({
    ...carries(protocol),
    name: `mark is on everything that a transport over ${protocol} and IPv${family} sends: control and data`,
    async run(world: World) {
      const site = world.clients[0];
      await addFar(world, world.server, site, family);
      const addresses = [farOf(world.server, world, family), farOf(site, world, family)] as const;
      const { server, client } = await openEnds(world, protocol, addresses, [{ mark: MARK }, { mark: MARK }]);
      const packet = controlPacket();
      await client.transport.send(packet);
      const { from } = await expectPacket(server.transport, packet);
      await server.transport.send(packet, protocol === "udp" ? { to: from } : {});
      await expectPacket(client.transport, packet);
      await join(protocol, server, client, family);
      assert.deepEqual(world.capabilities.socketMark.includes(protocol), true);
      await assertReaches(world, client, server.vpn.ipv4);
      await assertReaches(world, server, client.vpn.ipv6);

      // Without the mark there is no way, nor with another.
      for (const options of [{}, { mark: MARK + 1 }]) {
        const remote = { address: addresses[0], port: 1194 };
        const open = () =>
          client.dco.openTransport({
            protocol,
            remote,
            local: { address: addresses[1], port: 0 },
            ...options,
          } as never);
        if (protocol === "tcp") await rejects(open, "socket");
        else await rejects((await open()).send(packet), "socket");
      }
    },
  })),
  {
    ...carries("udp"),
    name: "data packets over UDP from a transport without the mark that the way needs do not arrive",
    async run(world) {
      const site = world.clients[0];
      await addFar(world, world.server, site, 4);
      const addresses = [farOf(world.server, world, 4), farOf(site, world, 4)] as const;
      const { server, client } = await openEnds(world, "udp", addresses, [{ mark: MARK }, {}]);
      await join("udp", server, client);
      await assertSilent(world, client, server.vpn.ipv4);
      assert.equal((await server.dco.stats())[0]?.link?.rxPackets, 0n);
    },
  },
  ...(["udp", "tcp"] as const).map((protocol) => ({
    ...carries(protocol),
    name: `a transport over ${protocol} that is bound to the device which leads there carries control and data`,
    async run(world: World) {
      const addresses = [world.server.ipv4, world.clients[0].ipv4] as const;
      const device = { device: WIRE };
      const { server, client } = await openEnds(world, protocol, addresses, [device, device]);
      const packet = controlPacket();
      await client.transport.send(packet);
      await expectPacket(server.transport, packet);
      await join(protocol, server, client);
      await assertReaches(world, client, server.vpn.ipv4);
    },
  })),
  {
    ...carries("udp"),
    name: "a UDP transport that is bound to a device takes in what comes by it; data leaves by it, or by its route, as capabilities say",
    async run(world) {
      const site = world.clients[0];
      await world.addOtherInterface(site, BLIND);
      await world.setUp(site, BLIND, true);
      const addresses = [world.server.ipv4, "0.0.0.0"] as const;
      const { server, client } = await openEnds(world, "udp", addresses, [{}, { device: BLIND }]);
      await connect(server, client, { server: { remote: `${site.ipv4}:${client.transport.local?.port}` } });
      const packet = controlPacket();
      // It waits for a neighbour that is not there.
      await client.transport.send(packet).catch(() => {});
      await assertSilent(world, client, server.vpn.ipv4);
      const to = { address: site.ipv4, port: client.transport.local?.port as number };
      await server.transport.send(packet, { to }).catch(() => {});
      assert.equal(client.transport.counters.received, 0n);
      assert.equal(server.transport.counters.received, 0n);
      const [stats] = await server.dco.stats();
      const arrived = (stats?.link?.rxPackets ?? 0n) > 0n;
      assert.equal(arrived, !world.capabilities.bindToDevice.includes("udp"));
      const [own] = await client.dco.stats();
      assert.equal(own?.link?.rxPackets, 0n);
    },
  },
  {
    ...carries("tcp"),
    name: "a TCP connection that is bound to a device that leads nowhere is not made",
    async run(world) {
      const site = world.clients[0];
      await world.addOtherInterface(site, BLIND);
      await world.setUp(site, BLIND, true);
      const server = await world.createInterface(world.server, { mode: "multipeer" });
      await server.listen({ protocol: "tcp", local: { address: world.server.ipv4, port: 1194 } });
      const dco = await world.createInterface(site, { mode: "p2p" });
      const remote = `${world.server.ipv4}:1194`;
      const signal = AbortSignal.timeout(2000);
      const call = dco.openTransport({ protocol: "tcp", remote, device: BLIND, signal } as never);
      const error = await call.then(
        () => assert.fail("it was made"),
        (reason) => reason,
      );
      assert.ok(["socket", "timeout", "aborted"].includes(error.code), `${error}`);
      await dco.openTransport({ protocol: "tcp", remote, device: WIRE } as never);
    },
  },
  {
    ...LINUX_ONLY,
    name: "marks and devices that cannot be are refused with their field, and leave nothing",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const local = `${world.server.ipv4}:0`;
      const verbs = [
        (extras: object) => dco.openTransport({ protocol: "udp", local, ...extras }),
        (extras: object) =>
          dco.openTransport({ protocol: "tcp", remote: `${world.server.ipv4}:9`, ...extras }),
        (extras: object) => dco.listen({ protocol: "tcp", local, ...extras }),
      ];
      for (const verb of verbs) {
        for (const mark of [0, -1, 1.5, 2 ** 32, Number.NaN, "7", null, true]) {
          await rejects(verb({ mark }), "invalid", { field: "mark" });
        }
        for (const device of ["", "a/b", "x".repeat(16), "a b", 7, null]) {
          await rejects(verb({ device }), "invalid", { field: "device" });
        }
        const gone = await rejects(verb({ device: "dk-none" }), "not-found", {
          field: "device",
          effect: "none",
        });
        assert.match(gone.message, /there is no interface dk-none/);
        // An interface of the namespace that the transport is in counts.
        await rejects(verb({ device: dco.name, ...world.clients[0].extras }), "not-found", {
          field: "device",
        });
      }
      const socket = await world.openSocket(world.server, 4);
      for (const [field, value] of [
        ["mark", 7],
        ["device", WIRE],
      ] as const) {
        const call = dco.openTransport({
          protocol: "udp",
          adopt: { fd: socket.fd },
          [field]: value,
        } as never);
        await rejects(call, "invalid", { field, effect: "none" });
      }
      await dco.openTransport({ protocol: "udp", local, mark: 2 ** 32 - 1, device: WIRE } as never);
    },
  },
]);
