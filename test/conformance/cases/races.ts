/**
 * Things that happen at the same time.
 */
import assert from "node:assert/strict";
import { stat } from "node:fs";
import { DcoError } from "../../../src/core/errors.ts";
import { group } from "../case.ts";
import { inTime, rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { SYSTEM } from "../needs.ts";
import { assertReaches, type End, installKeys, nowhere, openEnd, openTunnel } from "../tunnel.ts";

const NOWHERE = "192.0.2.99:1194";

const peer = (end: End, id: number) => ({
  id,
  transport: end.transport,
  remote: nowhere(id),
  vpn: { ipv4: `10.9.0.${id}` },
});

/** Phases of the event loop: from each, the kernel's messages are read at another time. */
const PHASES: readonly (() => Promise<void>)[] = [
  () => new Promise((resolve) => setTimeout(resolve, 0)),
  () => new Promise((resolve) => setImmediate(resolve)),
  () => new Promise((resolve) => stat("/", () => resolve())),
];

/** Does nothing for a while: the event loop stands. */
function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

export const raceCases = group("races", [
  {
    name: "peers that expire while they are removed end once each, and removePeer tells which it was",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const keepalive = { interval: 1, timeout: 2 };
      const ids = Array.from({ length: 24 }, (_, at) => at);
      await end.dco.addPeers(ids.map((id) => ({ ...peer(end, id), keepalive })));
      await end.dco.installKeys(ids.map((id) => ({ peer: id, key: freshKey() })));
      // The first expiry: the others are about to follow.
      const first = await end.events.next("peer-deleted");
      const results = await end.dco.removePeers(ids);
      await end.dco.close();
      await end.events.done;
      const told = new Map(end.events.of("peer-deleted").map(({ peer, reason }) => [peer, reason]));
      assert.equal(end.events.of("peer-deleted").length, ids.length);
      assert.equal(told.get(first.peer), "expired");
      for (const [id, result] of results.entries()) {
        const code = result.ok ? "requested" : (result.error as DcoError).code;
        assert.equal(told.get(id), code === "not-found" ? "expired" : "requested", `peer ${id}: ${code}`);
      }
    },
  },
  {
    name: "the true reason is told although the end is found before its event is read",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const keepalive = { interval: 1, timeout: 1 };
      const ids = PHASES.flatMap((_, at) => [2 * at, 2 * at + 1]);
      for (const id of ids) await end.dco.addPeer({ ...peer(end, id), keepalive });
      for (const id of ids) await end.dco.installKey(id, freshKey());
      block(4 * world.second);
      await Promise.all(
        PHASES.map(async (phase, at) => {
          await phase();
          await rejects(end.dco.removePeer(2 * at), "not-found");
        }),
      );
      // And with something new in its place.
      for (const id of ids.filter((id) => id % 2 === 1)) await end.dco.addPeer(peer(end, id));
      await end.dco.close();
      await end.events.done;
      const reasons = end.events.of("peer-deleted").map(({ reason }) => reason);
      assert.deepEqual(reasons.filter((reason) => reason === "expired").length, ids.length, reasons.join());
      assert.equal(reasons.length, ids.length + PHASES.length);
    },
  },
  {
    name: "an end that is found by addPeer before its event is read has the true reason",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      await end.dco.addPeer({ ...peer(end, 1), keepalive: { interval: 1, timeout: 1 } });
      await end.dco.installKey(1, freshKey());
      block(4 * world.second);
      const { generation } = await end.dco.addPeer(peer(end, 1));
      const event = await end.events.next("peer-deleted");
      assert.ok(event.generation < generation);
      assert.equal(event.reason, "expired");
      assert.equal((await end.dco.peer(1)).generation, generation);
    },
  },
  {
    name: "peers that are added while their transport closes do not outlive it",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const adding = Array.from({ length: 20 }, (_, id) => end.dco.addPeer(peer(end, id)));
      const closing = end.transport.close();
      const more = Array.from({ length: 5 }, (_, at) => end.dco.addPeer(peer(end, 20 + at)));
      const results = await inTime(Promise.allSettled([...adding, ...more]), "addPeer");
      await inTime(closing, "close");
      for (const result of results) {
        if (result.status === "rejected") assert.equal((result.reason as DcoError).code, "socket");
      }
      assert.deepEqual(await end.dco.peers(), []);
      await end.dco.close();
      await end.events.done;
      const added = results.filter((result) => result.status === "fulfilled").length;
      const told = end.events.of("peer-deleted");
      assert.deepEqual(
        new Set(told.map(({ reason }) => reason)),
        new Set(told.length > 0 ? ["transport-closed"] : []),
      );
      assert.ok(told.length >= added, `${added} were added, ${told.length} ended`);
      assert.equal(new Set(told.map(({ generation }) => generation)).size, told.length);
    },
  },
  {
    name: "closing the interface in the middle of bulk calls settles them all, and each peer ends once",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const ids = Array.from({ length: 200 }, (_, id) => id);
      const adding = end.dco.addPeers(ids.map((id) => peer(end, id)));
      const removing = end.dco.removePeers(ids);
      const settled = Promise.allSettled([adding, removing]);
      await new Promise((resolve) => setImmediate(resolve));
      await inTime(end.dco.close(), "close");
      for (const result of await inTime(settled, "the bulk calls")) {
        if (result.status === "rejected")
          assert.ok(DcoError.is(result.reason) && result.reason.code === "closed");
      }
      await end.events.done;
      const generations = end.events.of("peer-deleted").map(({ generation }) => generation);
      assert.equal(new Set(generations).size, generations.length);
    },
  },
  {
    name: "two drivers that create interfaces at the same time do not get in each other's way",
    async run(world) {
      const drivers = [world.driver, await world.openDriver()];
      const made = await Promise.all(
        [0, 1, 0, 1, 0, 1].map((at) =>
          (drivers[at] as typeof world.driver).createInterface({ mode: "p2p", ...world.server.extras }),
        ),
      );
      assert.equal(new Set(made.map((dco) => dco.name)).size, 6);
      if (world.capabilities.systemInterface) assert.equal(new Set(made.map((dco) => dco.index)).size, 6);
      assert.equal((await world.driver.listInterfaces(world.server.extras)).length, 6);
    },
  },
  {
    name: "a second peer in p2p mode is exists also where somebody else has added the first",
    needs: ({ adoptInterface }) => (adoptInterface ? undefined : "the driver adopts no interface"),
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "p2p", host: 1 });
      const other = await (await world.openDriver()).adoptInterface(end.dco.name, world.server.extras);
      const transport = await other.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      await end.dco.addPeer({ id: 1, transport: end.transport, remote: NOWHERE });
      // Where the kernel does not tell of the first, nobody can know.
      if (other.capabilities.listPeers) {
        await rejects(other.addPeer({ id: 2, transport, remote: NOWHERE }), "exists", { effect: "none" });
      }
      assert.deepEqual(
        (await end.dco.peers()).map((each) => each.id),
        [1],
      );
      await other.addPeer({ id: 2, transport, remote: NOWHERE, replace: true });
      assert.equal((await end.events.next("peer-deleted")).reason, "external");
      assert.equal(end.dco.closed, false);
    },
  },
  {
    ...SYSTEM,
    name: "an interface that goes down and up again has its peers, and they work",
    async run(world) {
      const { server, client } = await openTunnel(world);
      for (const end of [server, client]) {
        await world.setUp(end.site, end.dco.name, false);
        await world.setUp(end.site, end.dco.name, true);
        await end.dco.configure({
          addresses: [`${end.vpn.ipv4}/24`, `${end.vpn.ipv6}/64`],
        });
      }
      await assertReaches(world, client, server.vpn.ipv4);
      await assertReaches(world, client, server.vpn.ipv6);
      assert.deepEqual(server.events.of("peer-deleted"), []);
      await installKeys(server, client, { keyId: 1 });
      await assertReaches(world, server, client.vpn.ipv4);
    },
  },
]);
