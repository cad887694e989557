/** GET_STATS and GET_PEER_STATS. */
import { deepEqual, equal } from "node:assert/strict";
import type { Case } from "../case.ts";
import { pack, read, sizeOf } from "../layout.ts";
import { mpNewPeer, NEW, newPeer, type Scene, startServer, withAdapter } from "../scene.ts";

const EACH = sizeOf("PEER_STATS");

const statistics = (name: string, version: string, run: (scene: Scene) => Promise<void>): Case => ({
  group: `statistics, ${version}`,
  name,
  run: () => withAdapter(version, run),
});

const of = (id: number) => pack("GET_PEER_STATS", { PeerId: id });

export const statisticsCases: readonly Case[] = [
  statistics("GET_STATS without a peer: 1 up to 2.4", "2.4.0", async ({ error }) => {
    equal(await error("GET_STATS", undefined, sizeOf("STATS")), 1);
  }),

  statistics("GET_STATS needs no peer", NEW, async ({ must }) => {
    equal((await must("GET_STATS", undefined, sizeOf("STATS"))).length, sizeOf("STATS"));
  }),

  statistics("of all peers: none, too small an answer (234), all", NEW, async (scene) => {
    const { ask, error, must } = scene;
    await startServer(scene);
    equal((await must("GET_PEER_STATS", of(-1), 4)).length, 0);
    for (const id of [1, 2, 3]) await must("MP_NEW_PEER", mpNewPeer(id));
    equal(await error("GET_PEER_STATS", of(-1), 3), 122);
    const short = await ask("GET_PEER_STATS", of(-1), 3 * EACH - 1);
    deepEqual([short.error, short.bytes.length, short.bytes.readUInt32LE(0)], [234, 4, 3 * EACH]);
    const all = await must("GET_PEER_STATS", of(-1), 3 * EACH);
    const ids = [0, 1, 2].map((index) => read(all.subarray(index * EACH), "PEER_STATS", "PeerId"));
    deepEqual(ids, [1, 2, 3]);
  }),

  statistics("of one peer: nobody 2, too small an answer 122", NEW, async (scene) => {
    const { error, must } = scene;
    await startServer(scene);
    await must("MP_NEW_PEER", mpNewPeer(1));
    equal(await error("GET_PEER_STATS", of(2), EACH), 2);
    equal(await error("GET_PEER_STATS", of(1), EACH - 1), 122);
    equal((await must("GET_PEER_STATS", of(1), EACH)).length, EACH);
  }),

  statistics("of all works in P2P mode too", NEW, async ({ must }) => {
    await must("NEW_PEER", newPeer(9));
    equal((await must("GET_PEER_STATS", of(-1), EACH)).length, EACH);
  }),
];
