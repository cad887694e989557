/** Events and statistics. */
import assert from "node:assert/strict";
import { floatingTunnel } from "../../../conformance/cases/float.ts";
import { eventually, inTime } from "../../../conformance/expect.ts";
import { assertReaches, openTunnel, vpnOf } from "../../../conformance/tunnel.ts";
import { at } from "../here.ts";
import { example, type Scene } from "../stage.ts";
import { untilReached } from "./ends.ts";

/** Actions that keep what they are told. */
function recorded() {
  const told: string[] = [];
  return {
    told,
    gone: (peer: number, _: number, reason: string) => void told.push(`${peer} gone: ${reason}`),
    moved: (peer: number, to: string) => void told.push(`${peer} moved to ${to}`),
    rekey: (peer: number) => void told.push(`${peer} needs a key`),
    reset: () => void told.push("reset"),
  };
}

export const eventScenes: readonly Scene[] = [
  {
    page: "events.md",
    name: "a client that moves and then is removed; the watch ends with the interface",
    async run({ world, kernel }) {
      const { watch } = example("events/watch.ts");
      // Without a kernel the sites' addresses are loopback's.
      const { server, client } = kernel ? await floatingTunnel(world, 4) : await openTunnel(world);
      const actions = recorded();
      const watching = watch(server.dco, actions, new AbortController().signal);
      if (kernel) {
        const { ipv4 } = await world.moveAddress(client.site);
        await untilReached(world, client.site, server.vpn.ipv4);
        await eventually(
          "the float",
          () => actions.told,
          (told) => told.length > 0,
        );
        assert.match(actions.told[0] ?? "", new RegExp(`^1 moved to ${ipv4.replaceAll(".", "\\.")} port`));
      }
      await server.dco.removePeer(1);
      await eventually(
        "the end",
        () => actions.told,
        (told) => told.at(-1)?.includes("gone") === true,
      );
      assert.equal(actions.told.at(-1), "1 gone: requested");
      await server.dco.close();
      await inTime(watching, "the end of the watch");
    },
  },
  {
    page: "events.md",
    name: "the end of one peer is waited for, and not for ever",
    async run({ world }) {
      const { ended } = example("events/ended.ts");
      const { server } = await openTunnel(world);
      const [peer] = await server.dco.peers();
      assert.ok(peer);
      assert.equal(await ended(server.dco, peer, 0.2), undefined);
      const end = ended(server.dco, peer, 20);
      await server.dco.removePeer(1);
      assert.equal(await end, "requested");
    },
  },
  {
    page: "statistics.md",
    name: "rates come of two looks, and are those of the pings",
    async run({ world, signal }) {
      const { rates } = example("statistics/rates.ts");
      const { server, client } = await openTunnel(world);
      const look = rates(server.dco);
      const began = performance.now();
      assert.deepEqual(await look(signal), []);
      await assertReaches(world, client, vpnOf(1).ipv4, { count: 5, size: 1000 });
      const [rate] = await look(signal);
      const seconds = (performance.now() - began) / 1000;
      assert.equal(rate?.peer, 1);
      // Headers of IPv4 and ICMP come to each.
      const bytes = 5 * (1000 + 28);
      assert.ok(rate.received >= bytes / seconds, `${rate.received} bytes a second`);
      assert.equal(rate.received, rate.sent);
    },
  },
  {
    page: "statistics.md",
    name: "another process's interface is read, from a program and from the shell",
    kernel: true,
    async run({ world, signal }) {
      const { look } = example("statistics/observe.ts");
      const { server, client } = await openTunnel(world);
      await assertReaches(world, client, vpnOf(1).ipv4);
      const seen = await at(world, server.site, () => look(server.dco.name, signal));
      assert.deepEqual(
        seen?.peers.map(({ id }) => id),
        [1],
      );
      assert.deepEqual(seen.stats, await server.dco.stats());
      assert.equal(await at(world, server.site, () => look("nothing0", signal)), undefined);
    },
  },
];
