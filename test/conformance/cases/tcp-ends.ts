/**
 * TCP: how connections end, and those that stall.
 */
import assert from "node:assert/strict";
import type { DcoErrorCode } from "../../../src/core/errors.ts";
import type { PeerDeletedReason } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { checkError, eventually, inTime, pause, rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { controlPacket, expectPacket } from "../packets.ts";
import {
  acceptStranger,
  acceptStrangers,
  attach,
  frame,
  handedOver,
  numbered,
  numberOf,
  overTcp,
  peersEndTransports,
  readFrame,
  readToEnd,
  type Strange,
  smallBuffers,
} from "../tcp.ts";
import { assertReaches, connect, openConnection, openTunnel, vpnOf } from "../tunnel.ts";
import type { ForeignStream, World } from "../world.ts";

/** How an other end goes. */
const WAYS = {
  "ends its direction": async (stream: ForeignStream) => stream.end(),
  closes: (stream: ForeignStream) => stream.close(),
  resets: (stream: ForeignStream) => stream.reset(),
} as const;

interface Stage {
  readonly attached: boolean;
  /** What has come when it ends. */
  readonly rest: Buffer;
}

const PACKET = Buffer.from(controlPacket());

const STAGES: Readonly<Record<string, Stage>> = {
  "before the attach, between frames": { attached: false, rest: Buffer.alloc(0) },
  "before the attach, within a length": { attached: false, rest: frame(PACKET).subarray(0, 1) },
  "before the attach, within a frame": { attached: false, rest: frame(PACKET).subarray(0, 20) },
  "after the attach, between frames": { attached: true, rest: Buffer.alloc(0) },
  "after the attach, within a frame": { attached: true, rest: frame(PACKET).subarray(0, 20) },
};

/** Exactly this one end of a peer, and the transport ended with it. */
async function expectEnd({ server }: Strange, reason: PeerDeletedReason, id = 1): Promise<void> {
  const { dco, events, transport } = server;
  const deleted = await events.next("peer-deleted", ({ peer }) => peer === id);
  assert.equal(deleted.reason, reason);
  await eventually(
    "the transport's end",
    () => transport.closed,
    (closed) => closed,
  );
  await expectUseless(server);
  assert.deepEqual(await dco.peers(), []);
  assert.equal(events.of("peer-deleted").filter(({ peer }) => peer === id).length, 1);
}

async function expectUseless({ dco, transport }: Strange["server"]): Promise<void> {
  await rejects(transport.send(controlPacket()), "closed");
  const vpn = dco.mode === "multipeer" ? { vpn: vpnOf(109) } : {};
  const add = dco.addPeer({ id: 9, transport, ...vpn });
  await rejects(add, "socket", { field: "transport", effect: "none" });
}

/** The most that this process may take of a core while it has nothing to do; what spins takes all of one. */
const IDLE_SHARE = 0.05;

/** Measured again if it was too much, because an emulated machine counts what others do to it. */
async function assertIdle(meanwhile: string, milliseconds: number): Promise<void> {
  const shares: number[] = [];
  while (shares.length < 3) {
    const [began, before] = [performance.now(), process.cpuUsage()];
    await pause(milliseconds);
    const { user, system } = process.cpuUsage(before);
    const share = (user + system) / 1000 / (performance.now() - began);
    if (share < IDLE_SHARE) return;
    shares.push(share);
  }
  assert.fail(`shares of a core while ${meanwhile}: ${shares.map((share) => share.toFixed(3))}`);
}

export const tcpEndCases = group("tcp ends", [
  ...Object.entries(STAGES).flatMap(([when, { attached, rest }]) =>
    Object.entries(WAYS).map(([what, go]) => ({
      ...overTcp,
      name: `the other end ${what} ${when}: what came is read, then the transport ends, and its peer once`,
      async run(world: World) {
        const stranger = await acceptStranger(world);
        const { server, stream } = stranger;
        const { transport } = server;
        if (attached) await attach(server);
        const reading = readToEnd(transport);
        await stream.write(Buffer.concat([frame(PACKET), rest]));
        await eventually(
          "the packet",
          () => transport.counters.received,
          (received) => received === 1n,
        );
        await go(stream);
        const { packets, error } = await reading;
        assert.deepEqual(packets, [PACKET]);
        const isReset = what === "resets";
        const torn = !isReset && rest.length > 0 && !attached;
        const code: DcoErrorCode | undefined = isReset ? "socket" : torn ? "protocol" : undefined;
        if (code === undefined) assert.equal(error, undefined);
        else checkError(error, code, { operation: "packets" });
        if (attached) {
          await expectEnd(stranger, isReset ? "transport-error" : "transport-disconnect");
        } else {
          await eventually(
            "the transport's end",
            () => transport.closed,
            (closed) => closed,
          );
          await expectUseless(server);
        }
      },
    })),
  ),
  {
    ...overTcp,
    name: "what a stranger sent is read to the last packet although he is gone",
    async run(world) {
      for (const attached of [false, true]) {
        const { server, stream } = await acceptStranger(world);
        if (attached) await attach(server);
        const count = 200;
        const all = Array.from({ length: count }, (_, at) => frame(numbered(at, 400)));
        await stream.write(Buffer.concat(all));
        await stream.close();
        const { packets, error } = await readToEnd(server.transport);
        assert.equal(error, undefined);
        assert.deepEqual(
          packets.map((data) => numberOf({ data })),
          Array.from({ length: count }, (_, at) => at),
        );
        await server.dco.close();
      }
    },
  },
  {
    ...overTcp,
    name: "a frame without a packet ends the transport; a short packet before the attach does not",
    async run(world) {
      const [short, empty] = (await acceptStrangers(world, 2)) as [Strange, Strange];
      await short.stream.write(frame(Uint8Array.of(0x38)));
      await expectPacket(short.server.transport, Uint8Array.of(0x38));
      await short.stream.write(frame(PACKET));
      await expectPacket(short.server.transport, PACKET);
      await empty.stream.write(Buffer.concat([frame(PACKET), Buffer.alloc(2), frame(PACKET)]));
      const { packets, error } = await readToEnd(empty.server.transport);
      assert.deepEqual(packets, [PACKET]);
      checkError(error, "protocol", { operation: "packets", message: /without a packet/ });
    },
  },
  {
    ...peersEndTransports,
    name: "what the kernel takes for no OpenVPN ends peer and transport with transport-error: short, empty, DATA_V1",
    async run(world) {
      const rows = [
        Buffer.alloc(2),
        frame(Uint8Array.of(0x38)),
        frame(Uint8Array.of(0x38, 1, 2)),
        frame(controlPacket(40, 6)),
      ];
      for (const [at, stranger] of (await acceptStrangers(world, rows.length)).entries()) {
        const { server, stream } = stranger;
        await attach(server, at + 1);
        const reading = readToEnd(server.transport);
        await stream.write(Buffer.concat([frame(PACKET), rows[at] as Buffer, frame(PACKET).subarray(0, 30)]));
        await expectEnd(stranger, "transport-error", at + 1);
        const { packets } = await reading;
        // Nothing of what comes after it, nor torn.
        assert.ok(packets.length <= 1);
        for (const packet of packets) assert.deepEqual(packet, PACKET);
        assert.equal((await stream.readToEnd()).length, 0);
      }
    },
  },
  {
    ...peersEndTransports,
    name: "removing the peer ends the transport at both ends; the other one is told transport-disconnect",
    async run(world) {
      const { server, client } = await openTunnel(world, { protocol: "tcp" });
      await assertReaches(world, client, server.vpn.ipv4);
      const reading = readToEnd(client.transport);
      await server.dco.removePeer(1);
      assert.equal((await server.events.next("peer-deleted")).reason, "requested");
      assert.equal((await client.events.next("peer-deleted")).reason, "transport-disconnect");
      assert.deepEqual(await reading, { packets: [], error: undefined });
      for (const end of [server, client]) {
        const { dco, transport, events } = end;
        await eventually(
          "the transport's end",
          () => transport.closed,
          (closed) => closed,
        );
        await expectUseless(end);
        assert.equal(events.of("peer-deleted").length, 1);
        await rejects(dco.removePeer(1), "not-found");
      }
    },
  },
  {
    ...overTcp,
    name: "closing a transport ends its peer as transport-closed, once; the other end is told transport-disconnect",
    async run(world) {
      const { server, client } = await openTunnel(world, { protocol: "tcp", clients: 2 });
      const last = controlPacket();
      await client.transport.send(last);
      await client.transport.close();
      await client.transport.close();
      assert.equal((await client.events.next("peer-deleted")).reason, "transport-closed");
      const { packets } = await readToEnd(server.transport);
      assert.deepEqual(packets, [Buffer.from(last)], "what was sent before has arrived");
      const told = await server.events.next("peer-deleted");
      assert.deepEqual([told.peer, told.reason], [1, "transport-disconnect"]);
      assert.deepEqual(
        (await server.dco.peers()).map(({ id }) => id),
        [2],
        "the other connection's peer stays",
      );
      for (const { events } of [server, client]) assert.equal(events.of("peer-deleted").length, 1);
    },
  },
  {
    ...peersEndTransports,
    name: "replace on the same transport is unsupported; on another one the old transport ends",
    async run(world) {
      const { server, client } = await openTunnel(world, { protocol: "tcp" });
      const again = server.dco.addPeer({
        id: 1,
        transport: server.transport,
        vpn: client.vpn,
        replace: true,
      });
      await rejects(again, "unsupported", { capability: "peerEndsTransport", effect: "none" });
      await assertReaches(world, client, server.vpn.ipv4);
      const next = await openConnection(server, client);
      const one = { ...server, transport: next.server };
      const two = { ...client, transport: next.client };
      await connect(one, two, { server: { replace: true }, client: { replace: true } });
      for (const [end, old] of [
        [one, server.transport],
        [two, client.transport],
      ] as const) {
        const { reason } = await end.events.next("peer-deleted");
        // One end replaces first; the other may see the connection go before it does.
        assert.ok(["replaced", "transport-disconnect"].includes(reason), reason);
        await eventually(
          "the old transport's end",
          () => old.closed,
          (closed) => closed,
        );
        assert.equal(end.transport.closed, false);
      }
      await assertReaches(world, two, one.vpn.ipv4);
      for (const { events } of [one, two]) assert.equal(events.of("peer-deleted").length, 1);
    },
  },
  {
    ...overTcp,
    name: "a connection takes one peer, and no address of one; the refused leave it as it was",
    async run(world) {
      const { server, client } = await openTunnel(world, { protocol: "tcp" });
      const { dco, transport } = server;
      const add = (more: object) => dco.addPeer({ id: 2, transport, vpn: vpnOf(50), ...more });
      await rejects(add({}), "socket", { effect: "none" });
      const remote = `${world.clients[0].ipv4}:1194`;
      const local = world.server.ipv4;
      await rejects(add({ remote }), "invalid", { field: "remote" });
      // Over UDP some cannot set it either.
      const refused = world.capabilities.peerLocalAddress ? "invalid" : "unsupported";
      await rejects(add({ local }), refused, { field: "local" });
      const { setRemote, peerLocalAddress } = world.capabilities;
      if (setRemote) await rejects(dco.setPeer(1, { remote }), "invalid", { field: "remote" });
      else await rejects(dco.setPeer(1, { remote }), "unsupported", { capability: "setRemote" });
      if (setRemote && peerLocalAddress)
        await rejects(dco.setPeer(1, { remote, local }), "invalid", { field: "remote" });
      await rejects(transport.send(controlPacket(), { to: remote }), "invalid", { field: "to" });
      await rejects(transport.send(controlPacket(), { to: `[${world.server.ipv6}]:1` }), "invalid", {
        field: "to",
      });
      await rejects(transport.send(controlPacket(), { peer: 2 }), "not-found");
      await rejects(transport.send(Uint8Array.of(0x38, 0, 0)), "invalid", { field: "packet" });
      const packet = controlPacket();
      await transport.send(packet, { peer: 1 });
      await expectPacket(client.transport, packet);
      assert.equal((await dco.peer(1)).remote, undefined);
      assert.deepEqual((await dco.peers()).length, 1);
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    ...peersEndTransports,
    name: "a silent other end expires, and the transport ends with the peer",
    async run(world) {
      const stranger = await acceptStranger(world);
      const { dco, transport } = stranger.server;
      const keepalive = { interval: 1, timeout: 3 };
      await dco.addPeer({ id: 1, transport, vpn: vpnOf(101), keepalive });
      await dco.installKey(1, freshKey());
      const reading = readToEnd(transport);
      // Its control packets are no sign of life, as with every kernel.
      await stranger.stream.write(frame(PACKET));
      await expectEnd(stranger, "expired");
      assert.deepEqual((await reading).packets, [PACKET]);
      // The kernel's keepalives have come, then the end.
      assert.ok((await stranger.stream.readToEnd()).length > 0);
    },
  },
  {
    ...overTcp,
    name: "an interface that somebody removes ends peers and transports, and the other ends are told",
    async run(world) {
      const { server, clients } = await openTunnel(world, { protocol: "tcp", clients: 2 });
      await world.removeInterface(server.site, server.dco.name);
      await inTime(server.events.done, "the events' end");
      const deleted = server.events.of("peer-deleted");
      assert.deepEqual(deleted.map(({ peer, reason }) => [peer, reason]).sort(), [
        [1, "interface-removed"],
        [2, "interface-removed"],
      ]);
      for (const { events } of clients) {
        assert.equal((await events.next("peer-deleted")).reason, "transport-disconnect");
      }
      await eventually(
        "the transport's end",
        () => server.transport.closed,
        (closed) => closed,
      );
    },
  },
  ...[false, true].map((attached) => ({
    ...smallBuffers,
    name: `an other end that stalls ${attached ? "after" : "before"} the attach costs no CPU, and gets all in order when it reads again`,
    timeoutMs: 120_000,
    async run(world: World) {
      const { server, stream } = await acceptStranger(world);
      if (attached) await attach(server);
      const { transport } = server;
      const count = 150;
      const sent = Array.from({ length: count }, (_, at) => transport.send(numbered(at, 10_000)));
      const all = Promise.all(sent);
      all.catch(() => {});
      let before = -1n;
      await eventually(
        "the stall",
        async () => {
          const last = before;
          before = transport.counters.sent;
          await pause(300);
          return before === last;
        },
        (stalls) => stalls,
      );
      assert.ok(transport.counters.sent < BigInt(count), "the connection's buffers are full");
      await assertIdle("the other end stalls", 4000);
      // Its own packets are read meanwhile.
      await stream.write(frame(PACKET));
      await expectPacket(transport, PACKET);
      for (let at = 0; at < count; at++) assert.equal(numberOf({ data: await readFrame(stream) }), at);
      await all;
      assert.deepEqual(server.events.of("peer-deleted"), []);
    },
  })),
  {
    ...handedOver,
    name: "a peer that is added while half a frame is sent waits for the rest of it; all arrives whole, in order",
    async run(world) {
      const { server, stream } = await acceptStranger(world);
      const { transport } = server;
      const count = 40;
      const sent = Array.from({ length: count }, (_, at) => transport.send(numbered(at, 60_000)));
      const all = Promise.all(sent);
      all.catch(() => {});
      await pause(500);
      assert.ok(transport.counters.sent < BigInt(count), "it stalls");
      let isAttached = false;
      const attaching = attach(server).then(() => {
        isAttached = true;
      });
      await pause(300);
      assert.equal(isAttached, false);
      for (let at = 0; at < count; at++) assert.equal(numberOf({ data: await readFrame(stream) }), at);
      await inTime(attaching, "addPeer");
      await all;
      await transport.send(PACKET);
      assert.deepEqual(await readFrame(stream), PACKET);
      await stream.write(frame(PACKET));
      await expectPacket(transport, PACKET);
    },
  },
  {
    ...handedOver,
    name: "closing while the other end stalls ends what is in flight at once: sends, and a peer that waits",
    async run(world) {
      for (const attached of [false, true]) {
        const { server } = await acceptStranger(world);
        if (attached) await attach(server);
        const { transport } = server;
        const sends = Array.from({ length: 60 }, () => transport.send(controlPacket(60_000)));
        const outcomes = Promise.allSettled(sends);
        await pause(300);
        const adding = attached ? undefined : rejects(attach(server), "socket", { effect: "none" });
        await pause(50);
        await inTime(transport.close(), "closing", 5000);
        const failed = (await inTime(outcomes, "the sends", 5000)).filter(
          (result) => result.status === "rejected",
        );
        assert.ok(failed.length > 0);
        for (const { reason } of failed) checkError(reason, "closed", { operation: "send" });
        await adding;
        await server.dco.close();
      }
    },
  },
  {
    ...peersEndTransports,
    name: "a reset while data flows ends peer and transport once, as transport-error",
    async run(world) {
      const stranger = await acceptStranger(world);
      const { server, stream } = stranger;
      await attach(server);
      await server.dco.installKey(1, freshKey());
      // Nobody answers; the kernel sends all the same.
      await world.startPing(server.site, vpnOf(101).ipv4, { interval: 0.01 });
      await readFrame(stream);
      await stream.reset();
      await expectEnd(stranger, "transport-error");
    },
  },
  {
    ...handedOver,
    name: "an other end that stalls for half a minute is timeout; half a frame that it has ends the connection",
    timeoutMs: 120_000,
    async run(world) {
      const [before, after] = (await acceptStrangers(world, 2)) as [Strange, Strange];
      await attach(after.server, 2);
      const outcomes = [];
      for (const { server } of [before, after]) {
        const sends = Array.from({ length: 60 }, () => server.transport.send(controlPacket(65_000)));
        outcomes.push(Promise.allSettled(sends));
      }
      const [early, late] = await inTime(Promise.all(outcomes), "the timeouts", 90_000);
      for (const settled of [early, late]) {
        const failed = (settled ?? []).filter((result) => result.status === "rejected");
        assert.ok(failed.length > 0, "sends have timed out");
        checkError(failed[0]?.reason, "timeout", { operation: "send" });
      }
      // A stream before the attach takes parts of frames.
      checkError((await readToEnd(before.server.transport)).error, "timeout");
      await eventually(
        "the transport's end",
        () => before.server.transport.closed,
        (closed) => closed,
      );
      // The kernel takes whole ones, so the connection is as good as it was.
      assert.equal(after.server.transport.closed, false);
      const done = (late ?? []).filter(({ status }) => status === "fulfilled").length;
      for (let at = 0; at < done; at++) assert.equal((await readFrame(after.stream)).length, 65_000);
      const packet = controlPacket();
      await after.server.transport.send(packet);
      assert.deepEqual(await readFrame(after.stream), Buffer.from(packet));
    },
  },
  {
    ...overTcp,
    name: "idle connections with peers cost no CPU, nor those that have ended",
    async run(world) {
      const strangers = await acceptStrangers(world, 6);
      for (const [at, { server, stream }] of strangers.entries()) {
        await attach(server, at + 1);
        // Half a frame, nothing, or an end.
        if (at % 3 === 0) await stream.write(frame(PACKET).subarray(0, 9));
        if (at % 3 === 1) stream.end();
      }
      await pause(500);
      await assertIdle("nothing happens", 2000);
    },
  },
]);
