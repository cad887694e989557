/**
 * What the driver of Windows does in its own way. These cases look into the driver, so they need its simulator; what the
 * simulator answers is from the driver's sheets.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { type Case, group } from "../case.ts";
import { checkError, eventually, inTime, rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import {
  emit,
  freePath,
  listenUdp,
  open,
  openUdp,
  parts,
  peerOf,
  silentHost,
  untilFree,
} from "../windows/opened.ts";

const STATUS_CONNECTION_ABORTED = 0xc0000241;
const STATUS_CONNECTION_DISCONNECTED = 0xc000020c;

const cases: Omit<Case, "group">[] = [
  {
    name: "what a version lacks is not promised: modes, events, statistics",
    async run(given) {
      const { world, simulator } = parts(given);
      const { at } = await freePath(world);
      world.onClose(() => simulator.at(at).configure("2.8.6"));
      const version = (minor: number) => simulator.at(at).configure(`2.${minor}.0`);
      await version(4);
      const name = (await world.driver.listInterfaces())[at]?.name ?? "";
      await rejects(world.driver.adoptInterface(name, { mode: "multipeer" }), "unsupported", {
        capability: "modes",
        effect: "none",
      });
      for (const [minor, floatEvent, linkStats] of [
        [5, "none", false],
        [6, "event", false],
        [7, "event", true],
      ] as const) {
        await version(minor);
        const dco = await world.driver.adoptInterface(name, { mode: "multipeer" });
        const { capabilities } = dco;
        assert.deepEqual([capabilities.floatEvent, capabilities.linkStats], [floatEvent, linkStats]);
        const transport = await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
        await dco.addPeer(peerOf(7, transport));
        const [stats] = await dco.stats();
        assert.deepEqual([stats?.id, stats?.link?.rxBytes], [7, linkStats ? 0n : undefined]);
        await dco.close();
      }
    },
  },
  {
    name: "an adapter is open once: a second is busy, and free adapters are taken in turn until none is left",
    async run(given) {
      const { world, simulator } = parts(given);
      const adapters = simulator.count;
      const all = [];
      for (let n = 0; n < adapters; n++) all.push(await world.createInterface(world.server, { mode: "p2p" }));
      assert.equal(new Set(all.map(({ extras }) => extras.instance)).size, adapters);
      await rejects(world.createInterface(world.server, { mode: "p2p" }), "busy", { effect: "none" });
      const [first] = all;
      assert.ok(first);
      const again = world.driver.adoptInterface(first.name, { mode: "p2p" });
      await rejects(again, "busy", { effect: "none" });
      await first.close();
      const next = await world.createInterface(world.server, { mode: "multipeer" });
      assert.equal(next.extras.instance, first.extras.instance);
    },
  },
  {
    name: "the driver's events end and move peers, with every reason; one of a newer driver is unknown",
    async run(given) {
      const opened = await open(given, "multipeer");
      const { dco, events } = opened;
      const transport = await listenUdp(opened);
      const reasons = ["interface-removed", "expired", "transport-error", "transport-disconnect", "unknown"];
      for (const [n, reason] of [0, 2, 3, 4, 99].entries()) {
        await dco.addPeer(peerOf(n, transport));
        await emit(opened, 0, n, reason);
        const event = await events.next("peer-deleted");
        assert.deepEqual([event.peer, event.reason], [n, reasons[n]]);
      }
      await dco.addPeer(peerOf(20, transport));
      const moved = { address: "127.0.0.1", port: 5555 };
      await emit(opened, 2, 20, 0, moved);
      assert.deepEqual((await events.next("peer-floated")).remote, moved);
      assert.deepEqual((await dco.peer(20)).remote, moved);
      await emit(opened, 2, 20, 0, { address: "::ffff:127.0.0.2", port: 5556 });
      assert.deepEqual((await events.next("peer-floated")).remote, { address: "127.0.0.2", port: 5556 });
      await emit(opened, 77, 20, 0);
      assert.equal((await events.next("unknown")).native, 77);
      assert.equal(dco.closed, false);
    },
  },
  {
    name: "events that come while nobody waits are told, in order: 500 at once",
    async run(given) {
      const opened = await open(given, "multipeer");
      const { dco, events } = opened;
      await listenUdp(opened);
      const one = (n: number) => emit(opened, 1000 + n, 1, 0);
      // Not all at the same time: koffi does not bear hundreds of callbacks, and the simulator's client makes one each.
      for (let n = 0; n < 500; n += 10) await Promise.all(Array.from({ length: 10 }, (_, m) => one(n + m)));
      await eventually(
        "events",
        () => events.of("unknown").length,
        (count) => count === 500,
      );
      assert.deepEqual(
        events.of("unknown").map(({ native }) => native),
        Array.from({ length: 500 }, (_, n) => 1000 + n),
      );
      assert.equal(dco.closed, false);
    },
  },
  {
    name: "p2p: a pended read that fails ends peer and transport with its reason, and the next opens at once",
    async run(given) {
      const opened = await open(given, "p2p");
      const { dco, simulator, at, events } = opened;
      for (const [status, reason] of [
        [STATUS_CONNECTION_DISCONNECTED, "expired"],
        [STATUS_CONNECTION_ABORTED, "transport-disconnect"],
        [0xc000023c, "transport-error"],
      ] as const) {
        const transport = await openUdp(opened);
        assert.equal((await simulator.at(at).state()).pendingReads, 3);
        await dco.addPeer({ id: 5, transport });
        const end = transport.packets().next();
        end.catch(() => {});
        await simulator.at(at).failRead(status);
        assert.equal((await events.next("peer-deleted")).reason, reason);
        if (reason === "expired") assert.equal((await end).done, true);
        else await rejects(end, "socket");
        assert.equal(transport.closed, true);
        assert.deepEqual(await dco.peers(), []);
      }
      await openUdp(opened);
    },
  },
  {
    name: "p2p: keepalive is armed with the first key, in seconds and never -1, and its end is expired",
    async run(given) {
      const opened = await open(given, "p2p");
      const { dco, simulator, at, events } = opened;
      const transport = await openUdp(opened);
      await dco.addPeer({ id: 5, transport, keepalive: { interval: 1, timeout: 2 } });
      const times = async () => {
        const { interval, timeout, mss } = await simulator.at(at).peer();
        return { interval, timeout, mss };
      };
      assert.deepEqual(await times(), { interval: 0, timeout: 0, mss: 0 });
      await dco.installKey(5, freshKey());
      assert.deepEqual(await times(), { interval: 1, timeout: 2, mss: 0 });
      assert.equal((await events.next("peer-deleted")).reason, "expired");
    },
  },
  {
    name: "TCP: a refused connection is socket, and the next attempt is free",
    async run(given) {
      const { dco, simulator, at } = await open(given, "p2p");
      const server = createServer();
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const remote = { address: "127.0.0.1", port };
      server.close();
      await once(server, "close");
      for (let n = 0; n < 3; n++) {
        const error = await rejects(dco.openTransport({ protocol: "tcp", remote }), "socket", {
          effect: "none",
        });
        assert.equal(error.native?.name, "STATUS_CONNECTION_REFUSED");
      }
      assert.equal((await simulator.at(at).state()).sockets, 0);
    },
  },
  {
    name: "TCP: a connection that the other side ends at once is told, by the opening or by the transport, and never lost",
    async run(given) {
      const { dco, simulator, at, events } = await open(given, "p2p");
      const server = createServer((socket) => socket.destroy());
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const remote = { address: "127.0.0.1", port: (server.address() as AddressInfo).port };
      try {
        for (let n = 0; n < 20; n++) {
          const opening = dco.openTransport({ protocol: "tcp", remote });
          const transport = await opening.catch((error: unknown) => checkError(error, "socket"));
          if (transport) await rejects(inTime(transport.packets().next(), "the packets' end"), "socket");
          assert.equal((await simulator.at(at).state()).peers, 0);
        }
        assert.deepEqual(events.of("interface-removed"), []);
      } finally {
        server.close();
      }
    },
  },
  {
    name: "TCP: a slow connect is aborted, or ends with the interface, and leaves nothing",
    async run(given) {
      const { dco, simulator, at } = await open(given, "p2p");
      const remote = await silentHost();
      const connecting = async () => (await simulator.at(at).state()).pendingConnects;
      const abort = new AbortController();
      const slow = dco.openTransport({ protocol: "tcp", remote, signal: abort.signal });
      slow.catch(() => {});
      await eventually("a connect", connecting, (count) => count === 1);
      abort.abort();
      await rejects(slow, "aborted", { effect: "none" });
      await eventually(
        "its socket",
        async () => (await simulator.at(at).state()).sockets,
        (count) => count === 0,
      );
      const again = dco.openTransport({ protocol: "tcp", remote });
      again.catch(() => {});
      await eventually("a connect", connecting, (count) => count === 1);
      await inTime(dco.close(), "closing while it connects");
      await rejects(again, "closed");
      await untilFree(simulator, at);
    },
  },
  {
    name: "an adapter that is disabled under us ends the interface, and can be opened again when it is enabled",
    async run(given) {
      for (const mode of ["p2p", "multipeer"] as const) {
        const opened = await open(given, mode);
        const { dco, simulator, at, events } = opened;
        const transport = mode === "p2p" ? await openUdp(opened) : await listenUdp(opened);
        await dco.addPeer(mode === "p2p" ? { id: 3, transport } : peerOf(3, transport));
        await simulator.at(at).enable(false);
        await events.next("interface-removed");
        assert.equal((await events.next("peer-deleted")).reason, "interface-removed");
        await inTime(events.done, "the events' end");
        assert.equal(dco.closed, true);
        const names = (await opened.world.driver.listInterfaces()).map(({ name }) => name);
        assert.ok(!names.includes(dco.name));
        await simulator.at(at).enable(true);
        await untilFree(simulator, at);
        const again = await opened.world.driver.adoptInterface(dco.name, { mode });
        await again.close();
      }
    },
  },
  {
    name: "an adapter that is disabled without a transport is told of too",
    async run(given) {
      const { dco, simulator, at, events } = await open(given, "p2p");
      await simulator.at(at).enable(false);
      await events.next("interface-removed");
      await inTime(events.done, "the events' end");
      assert.equal(dco.closed, true);
      await simulator.at(at).enable(true);
    },
  },
  {
    name: "statistics of more peers than fit at first are all there",
    async run(given) {
      const opened = await open(given, "multipeer");
      const { dco } = opened;
      const transport = await listenUdp(opened);
      const ids = Array.from({ length: 150 }, (_, id) => id);
      const added = await dco.addPeers(ids.map((id) => peerOf(id, transport)));
      assert.ok(added.every(({ ok }) => ok));
      const stats = await dco.stats();
      assert.deepEqual(
        stats.map(({ id }) => id).sort((a, b) => a - b),
        ids,
      );
    },
  },
];

export const windowsCases = group("Windows", cases);
