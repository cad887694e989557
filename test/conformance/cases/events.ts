/**
 * Events: every peer ends with exactly one `peer-deleted` with the true reason; links; readers.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../../src/core/contract.ts";
import type { DcoEvent, PeerRef } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { inTime, rejects } from "../expect.ts";
import { SYSTEM } from "../needs.ts";
import { readRest } from "../packets.ts";
import { Recorder } from "../recorder.ts";
import { connect, type End, nowhere, openEnd, openTunnel } from "../tunnel.ts";
import type { World } from "../world.ts";

const NOWHERE = "192.0.2.99:1194";

/** Adds peers that nobody answers for. */
async function addMany(end: End, count: number): Promise<PeerRef[]> {
  const results = await end.dco.addPeers(
    Array.from({ length: count }, (_, id) => ({
      id,
      transport: end.transport,
      remote: nowhere(id),
      vpn: { ipv4: `10.9.${id >> 8}.${id & 255}` },
    })),
  );
  return results.map((result) => {
    if (!result.ok) throw result.error;
    return result.value;
  });
}

/** Closes the interface, and gives all `peer-deleted` that ever came, as id and reason. */
async function deletions(dco: DcoInterface, events: Recorder): Promise<[number, string][]> {
  await dco.close();
  await inTime(events.done, "the end of the events");
  return events.of("peer-deleted").map(({ peer, reason }) => [peer, reason]);
}

/** An interface with two peers of a process that has been killed, and its observer. */
async function openBereaved(world: World): Promise<{ observer: DcoInterface; events: Recorder }> {
  const { dco } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
  const owner = await world.startOwner(world.server, dco.name, [1, 2]);
  const driver = await world.openDriver();
  const role = { role: "observer", ...world.server.extras } as const;
  const observer = await driver.adoptInterface(dco.name, role);
  const events = new Recorder(observer);
  assert.deepEqual((await observer.peers()).map(({ id }) => id).sort(), [1, 2]);
  await owner.kill();
  return { observer, events };
}

export const eventCases = group("events", [
  {
    name: "removePeer gives one peer-deleted, requested",
    async run(world) {
      const { server } = await openTunnel(world);
      const { generation } = await server.dco.peer(1);
      await server.dco.removePeer(1);
      const event = await server.events.next("peer-deleted");
      assert.deepEqual([event.peer, event.generation, event.reason], [1, generation, "requested"]);
      assert.equal(event.finalStats !== undefined, world.capabilities.finalStats);
      assert.deepEqual(await deletions(server.dco, server.events), [[1, "requested"]]);
    },
  },
  {
    name: "a peer that is silent for the keepalive timeout gives one peer-deleted, expired, and only that peer",
    async run(world) {
      const keepalive = { interval: 1, timeout: 2 };
      const { server, clients } = await openTunnel(world, { clients: 2 });
      await server.dco.setPeer(2, { keepalive });
      await (clients[1] as End).dco.close();
      const event = await server.events.next("peer-deleted");
      assert.deepEqual([event.peer, event.reason], [2, "expired"]);
      await rejects(server.dco.peer(2), "not-found");
      assert.deepEqual(await deletions(server.dco, server.events), [
        [2, "expired"],
        [1, "interface-removed"],
      ]);
    },
  },
  {
    name: "closing a transport gives each of its peers one peer-deleted, transport-closed",
    needs: ({ closeTransport }) =>
      closeTransport ? undefined : "a transport closes only with its interface",
    async run(world) {
      const { server } = await openTunnel(world, { clients: 3 });
      const reading = readRest(server.transport);
      await server.transport.close();
      assert.deepEqual(await inTime(reading, "the reader"), []);
      assert.deepEqual(await server.dco.peers(), []);
      const found = await deletions(server.dco, server.events);
      assert.deepEqual(
        found.sort(),
        [1, 2, 3].map((id) => [id, "transport-closed"]),
      );
    },
  },
  {
    name: "when the process whose socket it is ends, each peer gives one peer-deleted, transport-disconnect",
    needs: ({ observe, survivesProcess, peersSurviveProcess }) => {
      if (!observe || !survivesProcess) return "peers of another process cannot be seen";
      return peersSurviveProcess ? "the kernel keeps the socket, and the peers" : undefined;
    },
    async run(world) {
      const { observer, events } = await openBereaved(world);
      for (let count = 0; count < 2; count++) await events.next("peer-deleted");
      assert.deepEqual(await observer.peers(), []);
      const found = await deletions(observer, events);
      assert.deepEqual(
        found.sort(),
        [1, 2].map((id) => [id, "transport-disconnect"]),
      );
    },
  },
  {
    name: "where the kernel keeps the socket of a process that ended, its peers stay until somebody removes them",
    needs: ({ observe, peersSurviveProcess }) =>
      observe && peersSurviveProcess ? undefined : "no kernel keeps them, or nobody can see them",
    async run(world) {
      const { observer, events } = await openBereaved(world);
      assert.deepEqual((await observer.peers()).map(({ id }) => id).sort(), [1, 2]);
      assert.equal(world.flushWhileStanding(world.server, observer.name), 2);
      for (let count = 0; count < 2; count++) await events.next("peer-deleted");
      assert.deepEqual(await observer.peers(), []);
      const found = await deletions(observer, events);
      assert.deepEqual(
        found.sort(),
        [1, 2].map((id) => [id, "external"]),
      );
    },
  },
  {
    name: "a peer that somebody else removes gives one peer-deleted, external; to him it is requested",
    needs: ({ adoptInterface }) => (adoptInterface ? undefined : "the driver adopts no interface"),
    async run(world) {
      const { server } = await openTunnel(world, { clients: 2 });
      const other = await (await world.openDriver()).adoptInterface(server.dco.name, world.server.extras);
      const others = new Recorder(other);
      await other.removePeer(1);
      const event = await server.events.next("peer-deleted");
      assert.deepEqual([event.peer, event.reason], [1, "external"]);
      await rejects(server.dco.removePeer(1), "not-found");
      await server.dco.removePeer(2);
      assert.equal((await others.next("peer-deleted", ({ peer }) => peer === 2)).reason, "external");
      assert.deepEqual(await deletions(other, others), [
        [1, "requested"],
        [2, "external"],
      ]);
      assert.deepEqual(await deletions(server.dco, server.events), [
        [1, "external"],
        [2, "requested"],
      ]);
    },
  },
  {
    name: "closing an interface gives each peer one peer-deleted, interface-removed, then closed, then the end",
    async run(world) {
      const { server, client } = await openTunnel(world, { clients: 2 });
      for (const end of [server, client]) {
        const ids = (await end.dco.peers()).map((peer) => peer.id);
        await end.dco.close();
        await inTime(end.events.done, "the end of the events");
        assert.equal(end.events.all.at(-1)?.type, "closed");
        assert.equal(end.events.of("closed").length, 1);
        const found = end.events.of("peer-deleted").map(({ peer, reason }) => [peer, reason]);
        // The removals overlap, so their order is not that of the peers.
        assert.deepEqual(
          found.sort(([one], [other]) => Number(one) - Number(other)),
          ids.sort((one, other) => one - other).map((id) => [id, "interface-removed"]),
        );
      }
    },
  },
  {
    name: "an interface that somebody else deletes ends its peers, is told, and closes by itself",
    async run(world) {
      const { server } = await openTunnel(world, { clients: 2 });
      const reading = readRest(server.transport);
      await world.removeInterface(server.site, server.dco.name);
      await server.events.next("interface-removed");
      await inTime(server.events.done, "the end of the events");
      assert.equal(server.dco.closed, true);
      assert.deepEqual(await inTime(reading, "the reader"), []);
      await rejects(server.dco.peers(), "closed");
      const found = server.events.of("peer-deleted").map(({ peer, reason }) => [peer, reason]);
      assert.deepEqual(found.sort(), [
        [1, "interface-removed"],
        [2, "interface-removed"],
      ]);
      assert.equal(server.events.of("interface-removed").length, 1);
      assert.equal(server.events.all.at(-1)?.type, "closed");
    },
  },
  {
    name: "each life of an id has one peer-deleted with its generation, however quickly they follow each other",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const watching = await world.openDriver();
      const watcher = world.capabilities.observe
        ? new Recorder(
            await watching.adoptInterface(end.dco.name, { role: "observer", ...world.server.extras }),
          )
        : undefined;
      const lives: [number, string][] = [];
      for (let life = 0; life < 12; life++) {
        const options = { id: 1, transport: end.transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.9" } };
        const replace = life % 3 === 1 && world.capabilities.replacePeer;
        const { generation } = await end.dco.addPeer(replace ? { ...options, replace } : options);
        const replaced = (life + 1) % 3 === 1 && world.capabilities.replacePeer;
        lives.push([generation, replaced ? "replaced" : "requested"]);
        if (!replaced) await end.dco.removePeer(1);
      }
      await end.dco.close();
      await end.events.done;
      const told = end.events.of("peer-deleted").map(({ generation, reason }) => [generation, reason]);
      assert.deepEqual(told, lives);
      await watcher?.done;
    },
  },
  {
    name: "in p2p mode the link is told up with the first peer and down with the last, where it follows it",
    needs: ({ linkFollowsPeer }) => (linkFollowsPeer ? undefined : "the link does not follow the peer"),
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "p2p", host: 1 });
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2 });
      for (let turn = 0; turn < 2; turn++) {
        await connect(server, client, { keys: false, client: { replace: true } });
        await server.events.next("link", ({ up }) => up);
        await server.dco.removePeer(1);
        await server.events.next("link", ({ up }) => !up);
      }
    },
  },
  {
    ...SYSTEM,
    name: "in multipeer mode the link is told up and down with the interface, whoever does it, once each",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const events = new Recorder(dco);
      await dco.configure({ addresses: ["10.8.0.1/24"], up: true });
      await events.next("link", ({ up }) => up);
      await dco.configure({ mtu: 1300 });
      await world.setUp(world.server, dco.name, false);
      await events.next("link", ({ up }) => !up);
      await world.setUp(world.server, dco.name, true);
      await events.next("link", ({ up }) => up);
      await dco.configure({ up: false });
      await events.next("link", ({ up }) => !up);
      const changes = events.of("link").map(({ up }) => up);
      assert.deepEqual(changes.slice(-4), [true, false, true, false]);
    },
  },
  {
    name: "every reader gets all events from its own beginning on",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      await addMany(end, 3);
      const early = new Recorder(end.dco);
      await end.dco.removePeer(0);
      const late = new Recorder(end.dco);
      await end.dco.removePeer(1);
      await end.dco.close();
      await Promise.all([early.done, late.done]);
      const ids = (events: Recorder) => events.of("peer-deleted").map(({ peer }) => peer);
      assert.deepEqual(
        [ids(early), ids(late)],
        [
          [0, 1, 2],
          [1, 2],
        ],
      );
      assert.deepEqual(
        await end.dco.events().next(),
        { done: true, value: undefined },
        "after close: the end",
      );
    },
  },
  {
    name: "a reader that asks for a second event before it has the first is busy",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const events = dco.events();
      const first = events.next();
      await rejects(events.next(), "busy", { operation: "events" });
      await dco.close();
      assert.ok(!(await inTime(first, "the first event")).done);
    },
  },
  {
    name: "a reader leaves by its signal or by return, without an error, and the others go on",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      await addMany(end, 2);
      const controller = new AbortController();
      const bySignal = new Recorder(end.dco, { signal: controller.signal });
      const byReturn = end.dco.events();
      controller.abort();
      await inTime(bySignal.done, "the reader with a signal");
      await byReturn.return?.();
      assert.deepEqual(await byReturn.next(), { done: true, value: undefined });
      await end.dco.removePeer(0);
      await end.events.next("peer-deleted");
      assert.deepEqual(bySignal.of("peer-deleted"), []);
    },
  },
  {
    name: "a reader that is too slow gets overflow, then a snapshot that is true, then what follows",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      // What comes with raising the interface is not counted below.
      await end.events.next("link", ({ up }) => up);
      const refs = await addMany(end, 12);
      const slow = end.dco.events({ queueLimit: 4 });
      for (let id = 0; id < 10; id++) await end.dco.removePeer(id);
      const next = async () => (await inTime(slow.next(), "the slow reader")).value as DcoEvent;
      const overflow = await next();
      assert.deepEqual(overflow, { type: "overflow", lost: 10, where: "reader" });
      const snapshot = await next();
      assert.ok(snapshot.type === "snapshot", snapshot.type);
      // Peers that are added at the same time may be there in another order.
      const left = snapshot.peers
        .map(({ id, generation }) => ({ id, generation }))
        .sort((a, b) => a.id - b.id);
      assert.deepEqual(left, refs.slice(10));
      await end.dco.removePeer(10);
      const deleted = await next();
      assert.ok(deleted.type === "peer-deleted" && deleted.peer === 10, deleted.type);
      await slow.return?.();
    },
  },
  {
    name: "a burst of 1,000 removals by somebody else is delivered whole",
    timeoutMs: 90_000,
    needs: ({ adoptInterface }) => (adoptInterface ? undefined : "the driver adopts no interface"),
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      await addMany(end, 1000);
      const other = await (await world.openDriver()).adoptInterface(end.dco.name, world.server.extras);
      const results = await other.removePeers((await other.peers()).map((peer) => peer.id));
      assert.equal(results.filter((result) => result.ok).length, 1000);
      for (let count = 0; count < 1000; count++) await end.events.next("peer-deleted");
      const told = end.events.of("peer-deleted");
      assert.equal(new Set(told.map(({ peer }) => peer)).size, 1000);
      assert.deepEqual([...new Set(told.map(({ reason }) => reason))], ["external"]);
      assert.deepEqual(end.events.of("overflow"), []);
      assert.deepEqual(await end.dco.peers(), []);
    },
  },
]);
