/**
 * Keys that change while packets flow.
 */
import assert from "node:assert/strict";
import { KeySchedule } from "../../../src/core/key-schedule.ts";
import { group } from "../case.ts";
import { eventually } from "../expect.ts";
import { freshKey, freshKeyPair } from "../keys.ts";
import { type End, openTunnel } from "../tunnel.ts";
import type { World } from "../world.ts";

/** Runs `change` under pings in both directions, none of which may be lost. */
async function underTraffic(
  world: World,
  ends: readonly [End, End],
  change: (flowing: (enough?: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const [a, b] = ends;
  const running = [
    await world.startPing(a.site, b.vpn.ipv4, { interval: 0.01 }),
    await world.startPing(b.site, a.vpn.ipv6, { interval: 0.01 }),
  ];
  const flowing = async (enough = 5) => {
    const before = running.map((ping) => ping.answered());
    await eventually(
      "pings that are answered",
      () => running.map((ping, at) => ping.answered() - (before[at] as number)),
      (more) => more.every((count) => count >= enough),
    );
  };
  await flowing(20);
  await change(flowing);
  await flowing(20);
  for (const ping of running) {
    const { sent, received, output } = await ping.stop();
    assert.ok(sent >= 40, output);
    assert.equal(received, sent, output);
  }
}

export const rotationCases = group("rotation", [
  {
    name: "twelve turns of KeySchedule at both ends, under traffic both ways, lose not one packet",
    overTcp: true,
    async run(world) {
      const { server, client } = await openTunnel(world, { keys: false });
      const { capabilities } = world;
      const schedules = [server, client].map((end) => new KeySchedule(end.dco, 1, { capabilities }));
      const [atServer, atClient] = schedules as [KeySchedule, KeySchedule];
      const turn = async () => {
        const { slot: _, id: __, ...forServer } = freshKey();
        const forClient = { ...forServer, encrypt: forServer.decrypt, decrypt: forServer.encrypt };
        const { id } = await atServer.install(forServer);
        assert.equal((await atClient.install(forClient)).id, id);
        await atClient.activate(id);
        await atServer.activate(id);
        return id;
      };
      let active = await turn();
      await underTraffic(world, [server, client], async (flowing) => {
        for (let count = 0; count < 12; count++) {
          const before = active;
          active = await turn();
          // What was on its way with the old key has arrived by then.
          await flowing();
          await atServer.retire(before);
          await atClient.retire(before);
          assert.equal(atServer.state.primary, active);
        }
      });
      assert.deepEqual(
        (await server.dco.keys(1)).map((key) => key.id),
        [active],
      );
    },
  },
  {
    name: "ten keys in turn, under traffic both ways, lose not one packet",
    overTcp: true,
    async run(world) {
      const { server, client } = await openTunnel(world);
      await underTraffic(world, [server, client], async (flowing) => {
        for (let turn = 1; turn <= 10; turn++) {
          // The next key takes the place of the last but one: what was sent with that has arrived by then.
          await flowing(2);
          const [forServer, forClient] = freshKeyPair(
            turn % 8,
            "secondary",
            turn % 2 ? "aes-128-gcm" : undefined,
          );
          await server.dco.installKey(1, forServer);
          await client.dco.installKey(1, forClient);
          const [first, second] = turn % 2 ? [server, client] : [client, server];
          await first.dco.swapKeys(1);
          await second.dco.swapKeys(1);
          // What is on its way with a key outlives one turn, but not two that take no time.
          await flowing(1);
        }
      });
    },
  },
  {
    name: "a rotation of one peer's key does not disturb another peer's traffic",
    overTcp: true,
    async run(world) {
      const { server, clients } = await openTunnel(world, { clients: 2 });
      const [rotating, other] = clients as [End, End];
      await underTraffic(world, [other, server], async () => {
        for (let turn = 1; turn <= 5; turn++) {
          const [forServer, forClient] = freshKeyPair(turn, "secondary");
          await server.dco.installKey(1, forServer);
          await rotating.dco.installKey(1, forClient);
          await server.dco.swapKeys(1);
          await rotating.dco.swapKeys(1);
        }
      });
    },
  },
]);
