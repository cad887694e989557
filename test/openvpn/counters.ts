/**
 * Counters: against the pings, and against what OpenVPN says.
 */
import assert from "node:assert/strict";
import type { PeerStats } from "../../src/core/model.ts";
import { openLinuxDriver } from "../../src/linux/index.ts";
import type { Checks } from "./checks.ts";
import { adopt, linesOf, type Member, peerOf, type Scene } from "./scene.ts";
import { SERVER_VPN } from "./stage.ts";
import { PACKET_BYTES } from "./traffic.ts";

/** The burst: requests, and bytes of each inside the tunnel. */
const BURST = { count: 50, bytes: 1028 } as const;

/** IPv4 and ICMP headers. */
const PING_HEADERS = 28;

/** The data channel's header and tag. */
const LINK_OVERHEAD = 24;

/** Requests of the running traffic that count before and were answered after, or the other way round. */
const SLACK = 3;

/** How often observing is begun and ended. */
const TIMES = 5;

/** The checks of what grows. */
export async function checkCounters(checks: Checks, scene: Scene): Promise<void> {
  await checks.check("the counters in the tunnel grow by the packets and bytes of the pings", async () => {
    const before = await statsOf(scene, scene.guest);
    const answered = scene.guest.traffic.answered();
    await burst(scene.guest);
    const others = scene.guest.traffic.answered() - answered;
    const after = await statsOf(scene, scene.guest);
    for (const [packets, bytes] of [
      ["rxPackets", "rxBytes"],
      ["txPackets", "txBytes"],
    ] as const) {
      const grown = (counter: typeof packets | typeof bytes) =>
        Number((after.tunnel?.[counter] ?? 0n) - (before.tunnel?.[counter] ?? 0n));
      near(grown(packets), BURST.count + others, SLACK, packets);
      near(grown(bytes), BURST.count * BURST.bytes + others * PACKET_BYTES, SLACK * PACKET_BYTES, bytes);
    }
  });

  await checks.check("the counters outside the tunnel are OpenVPN's own", async () => {
    const [before, after] = [await bracket(scene), await burst(scene.guest).then(() => bracket(scene))];
    for (const [counter, told] of [
      ["rxBytes", "received"],
      ["txBytes", "sent"],
    ] as const) {
      const grown = after.told[told] - before.told[told];
      const of = (stats: PeerStats) => stats.link?.[counter] ?? assert.fail(`no ${counter}`);
      const least = of(after.first) - of(before.last);
      const most = of(after.last) - of(before.first);
      assert.ok(least >= BigInt(BURST.count * (BURST.bytes + LINK_OVERHEAD)), `${counter}: ${least}`);
      // The second client negotiates no keys: what OpenVPN counts meanwhile is the data channel.
      assert.ok(least <= grown && grown <= most, `${counter}: ${least} <= ${grown} <= ${most}`);
    }
  });

  await checks.check("observing begins and ends several times, and no ping is lost", async () => {
    const { stage, steady, guest } = scene;
    for (let n = 0; n < TIMES; n++) {
      const answered = [steady, guest].map(({ traffic }) => traffic.answered());
      const driver = await openLinuxDriver();
      const dco = await adopt(driver, stage);
      const reader = dco.events();
      const ended = reader.next();
      assert.equal((await dco.peers()).length, 2);
      assert.equal((await dco.stats()).length, 2);
      await burst(guest);
      await driver.close();
      assert.deepEqual((await ended).value, { type: "closed" });
      [steady, guest].forEach(({ traffic }, at) => {
        traffic.check(answered[at]);
      });
    }
    assert.equal((await scene.dco.peers()).length, 2, "the other observer goes on");
  });

  await checks.check("OpenVPN's server has nothing to complain of", async () => {
    const trouble = /\b(error|failed|failure|cannot|unable|unexpected|unknown|invalid|mismatch|ENO[A-Z]+)\b/i;
    assert.deepEqual(linesOf(scene.stage.server, trouble), []);
  });
}

async function statsOf(scene: Scene, member: Member): Promise<PeerStats> {
  const { id, generation } = await peerOf(scene, member);
  const [stats, ...others] = (await scene.dco.stats()).filter((each) => each.id === id);
  assert.deepEqual([others.length, stats?.generation], [0, generation]);
  return stats as PeerStats;
}

/** What OpenVPN says, between what dcokit said before and after it. */
async function bracket(scene: Scene) {
  const first = await statsOf(scene, scene.guest);
  const told = await scene.stage.status(scene.guest.client.name);
  return { first, told, last: await statsOf(scene, scene.guest) };
}

/** Large pings, all of which must be answered. */
async function burst({ client }: Member): Promise<void> {
  const { count, bytes } = BURST;
  const output = await client.at.run(`ping -n -c ${count} -i 0.02 -s ${bytes - PING_HEADERS} ${SERVER_VPN}`);
  assert.match(output, new RegExp(`${count} packets transmitted, ${count} received`));
}

function near(value: number, expected: number, slack: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= slack, `${what}: ${value}, expected ${expected} within ${slack}`);
}
