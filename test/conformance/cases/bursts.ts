/**
 * More events at once than there is room for.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../../src/core/contract.ts";
import type { DcoEvent } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { eventually, inTime } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { Recorder } from "../recorder.ts";
import { nowhere } from "../tunnel.ts";
import type { World } from "../world.ts";

/** Room for some tens of events: Linux counts about a kilobyte for each. */
const SMALL_BUFFER = 64 << 10;

interface Crowd {
  readonly dco: DcoInterface;
  readonly events: Recorder;
  readonly ids: readonly number[];
}

/** An interface with many peers, of a driver of its own. */
async function openCrowd(world: World, count: number, eventBuffer?: number): Promise<Crowd> {
  const driver = await world.openDriver(eventBuffer === undefined ? {} : { eventBuffer });
  const dco = await driver.createInterface({ mode: "multipeer", ...world.server.extras });
  const events = new Recorder(dco, { queueLimit: 2 * count });
  const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
  const ids = Array.from({ length: count }, (_, id) => id);
  const results = await dco.addPeers(
    ids.map((id) => ({
      id,
      transport,
      remote: nowhere(id),
      vpn: { ipv4: `10.${64 + (id >> 16)}.${(id >> 8) & 255}.${id & 255}` },
    })),
  );
  assert.deepEqual(
    results.filter(({ ok }) => !ok),
    [],
  );
  return { dco, events, ids };
}

/** Each peer must have been told to have ended, once; whatever was lost on the way. */
function assertEndedOnce({ events, ids }: Crowd): void {
  const told = events.of("peer-deleted").map(({ peer }) => peer);
  assert.equal(told.length, ids.length);
  assert.deepEqual(
    [...told].sort((one, other) => one - other),
    ids,
  );
}

export const burstCases = group("events", [
  {
    name: "when the kernel has no room for more events, overflow and a true snapshot follow, and each peer ends once",
    needs: ({ adoptInterface, eventQueue }) => {
      if (!adoptInterface) return "the driver adopts no interface";
      return eventQueue === undefined ? undefined : "the kernel's queue is not the driver's choice";
    },
    timeoutMs: 240_000,
    async run(world) {
      const crowd = await openCrowd(world, 400, SMALL_BUFFER);
      const { dco, events } = crowd;
      assert.equal(world.flushWhileStanding(world.server, dco.name), 400);
      const overflow = await events.next("overflow", ({ where }) => where === "kernel");
      assert.ok(
        overflow.lost === undefined || (overflow.lost > 0 && overflow.lost < 400),
        `${overflow.lost}`,
      );
      const snapshot = await events.next("snapshot");
      assert.deepEqual(snapshot.peers, []);
      assert.deepEqual(await dco.peers(), []);
      assertEndedOnce(crowd);
      // What comes after the loss is told as ever, and of the new peers.
      const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      const { generation } = await dco.addPeer({
        id: 7,
        transport,
        remote: nowhere(7),
        vpn: { ipv4: "10.64.0.7" },
      });
      assert.equal(world.flushWhileStanding(world.server, dco.name), 1);
      const deleted = await events.next("peer-deleted", (event) => event.generation === generation);
      assert.equal(deleted.peer, 7);
      assert.equal(dco.closed, false);
    },
  },
  {
    name: "a thousand peers are added, keyed, listed and removed without a lost event",
    timeoutMs: 240_000,
    async run(world) {
      const crowd = await openCrowd(world, 1000);
      const { dco, events, ids } = crowd;
      const done = (results: readonly { readonly ok: boolean }[]) =>
        assert.equal(results.filter(({ ok }) => ok).length, ids.length);
      done(await dco.installKeys(ids.map((peer) => ({ peer, key: freshKey() }))));
      assert.equal((await dco.peers()).length, ids.length);
      assert.equal((await dco.stats()).length, ids.length);
      done(await dco.removePeers(ids));
      assert.deepEqual(await dco.peers(), []);
      await eventually(
        "the end of all",
        () => events.of("peer-deleted").length,
        (ended) => ended === ids.length,
      );
      assertEndedOnce(crowd);
      assert.deepEqual(events.of("overflow"), []);
      const { finalStats } = world.capabilities;
      for (const event of events.of("peer-deleted")) {
        assert.equal(event.reason, "requested");
        assert.equal(event.finalStats !== undefined, finalStats);
      }
    },
  },
  {
    name: "a burst of 10,000 removals is delivered to a reader that keeps up, and told as overflow to one that does not",
    timeoutMs: 600_000,
    async run(world) {
      const crowd = await openCrowd(world, 10_000);
      const { dco, events, ids } = crowd;
      const slow = dco.events({ queueLimit: 100 });
      const results = await dco.removePeers(ids);
      assert.equal(results.filter(({ ok }) => ok).length, ids.length);
      const next = async () => (await inTime(slow.next(), "the slow reader")).value as DcoEvent;
      assert.deepEqual(await next(), { type: "overflow", lost: ids.length, where: "reader" });
      assert.deepEqual(await next(), { type: "snapshot", peers: [] });
      for (const _ of ids) await events.next("peer-deleted");
      assertEndedOnce(crowd);
      assert.deepEqual(await dco.peers(), []);
      // A kernel may have told of peers that it has yet to let go of, one after the other.
      await dco.close();
    },
  },
]);
