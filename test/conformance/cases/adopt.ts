/**
 * Interfaces that are there already: adopted as owner, observed, replaced.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../../src/core/contract.ts";
import { type Case, group } from "../case.ts";
import { rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { SYSTEM } from "../needs.ts";
import { Recorder } from "../recorder.ts";
import { assertReaches, openTunnel } from "../tunnel.ts";
import type { World } from "../world.ts";

const adopts: Pick<Case, "needs"> = {
  needs: (capabilities) => (capabilities.adoptInterface ? undefined : "the driver adopts no interface"),
};
const observes: Pick<Case, "needs"> = {
  needs: (capabilities) => (capabilities.observe ? undefined : "the driver has no observers"),
};

/** The server's interface of a tunnel, adopted by another driver. */
async function adoptServer(world: World, options: { peers?: "keep" | "flush"; role?: "owner" | "observer" }) {
  const tunnel = await openTunnel(world);
  const other = await world.openDriver();
  const adopted = await other.adoptInterface(tunnel.server.dco.name, { ...options, ...world.server.extras });
  return { tunnel, adopted };
}

export const adoptCases = group("adopt", [
  {
    ...adopts,
    name: "onExisting adopt takes over the interface, and close leaves it",
    async run(world) {
      const first = await world.createInterface(world.server, { mode: "p2p", name: "dk-adopt" });
      const options = { mode: "p2p", name: "dk-adopt", onExisting: "adopt", ...world.server.extras } as const;
      const second = await (await world.openDriver()).createInterface(options);
      assert.equal(second.index, first.index);
      assert.equal(second.role, "owner");
      await second.close();
      assert.ok(await world.inspect(world.server, "dk-adopt"));
    },
  },
  {
    ...adopts,
    name: "onExisting adopt and replace create the interface if there is none",
    async run(world) {
      for (const onExisting of ["adopt", "replace"] as const) {
        const dco = await world.createInterface(world.server, {
          mode: "p2p",
          name: `dk-${onExisting}`,
          onExisting,
        });
        await dco.close();
        assert.equal(await world.inspect(world.server, dco.name), undefined, "what was created is deleted");
      }
    },
  },
  {
    ...adopts,
    name: "onExisting adopt of an interface in the other mode is invalid",
    async run(world) {
      await world.createInterface(world.server, { mode: "p2p", name: "dk-adopt" });
      const options = { mode: "multipeer", name: "dk-adopt", onExisting: "adopt" } as const;
      await rejects(world.createInterface(world.server, options), "invalid", {
        field: "mode",
        effect: "none",
      });
    },
  },
  {
    name: "onExisting replace puts a new interface in the place of the old one, whose owner is told",
    async run(world) {
      const first = await world.createInterface(world.server, { mode: "p2p", name: "dk-replace" });
      const events = new Recorder(first);
      const second = await world.createInterface(world.server, {
        mode: "multipeer",
        name: "dk-replace",
        onExisting: "replace",
      });
      assert.equal(second.mode, "multipeer");
      await events.next("interface-removed");
      await events.next("closed");
      assert.equal(first.closed, true);
      assert.equal(second.closed, false);
    },
  },
  {
    ...SYSTEM,
    name: "an interface of another kind is neither adopted nor replaced",
    async run(world) {
      await world.addOtherInterface(world.server, "dk-other");
      const { extras } = world.server;
      for (const onExisting of ["adopt", "replace"] as const) {
        const call = world.driver.createInterface({ mode: "p2p", name: "dk-other", onExisting, ...extras });
        await rejects(call, "invalid", { field: "name", effect: "none" });
      }
      if (world.capabilities.adoptInterface) {
        await rejects(world.driver.adoptInterface("dk-other", extras), "invalid", { field: "name" });
        await rejects(world.driver.adoptInterface("dk-none", extras), "not-found", { effect: "none" });
      }
      assert.ok(await world.inspect(world.server, "dk-other"));
    },
  },
  {
    ...adopts,
    name: "an adopting owner finds mode, peers and keys, and the traffic goes on",
    async run(world) {
      const { tunnel, adopted } = await adoptServer(world, { peers: "keep" });
      const { server, client } = tunnel;
      assert.equal(adopted.mode, "multipeer");
      assert.equal(adopted.role, "owner");
      const [peer] = await adopted.peers();
      assert.equal(peer?.id, 1);
      if (world.capabilities.readPeers) {
        assert.deepEqual(peer?.vpn, client.vpn);
        assert.deepEqual(peer?.remote, client.transport.local);
      }
      const [key] = await adopted.keys(1);
      if (world.capabilities.readKeys) assert.deepEqual([key?.slot, key?.id], ["primary", 0]);
      await assertReaches(world, client, server.vpn.ipv4);
      await adopted.close();
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    needs: (capabilities, sites) =>
      adopts.needs?.(capabilities, sites) ??
      (capabilities.readKeys ? undefined : "the kernel does not tell what the slots of others' peers hold"),
    name: "an adopting owner may change peers and keys by the rules of the slots",
    async run(world) {
      const { tunnel, adopted } = await adoptServer(world, {});
      await rejects(adopted.swapKeys(1), "not-found");
      await rejects(adopted.installKey(1, freshKey(0, "secondary")), "invalid", { field: "id" });
      await adopted.installKey(1, freshKey(1, "secondary"));
      assert.deepEqual((await tunnel.server.dco.keys(1)).length, 2);
      await adopted.setPeer(1, { keepalive: { interval: 20, timeout: 120 } });
      assert.deepEqual((await adopted.peer(1)).keepalive, { interval: 20, timeout: 120 });
      await adopted.removePeer(1);
      assert.deepEqual(await adopted.peers(), []);
    },
  },
  {
    ...adopts,
    name: "adopting with peers flush removes them",
    async run(world) {
      const { tunnel, adopted } = await adoptServer(world, { peers: "flush" });
      assert.deepEqual(await adopted.peers(), []);
      // Where there are no observers, events come to one reader only: the new owner.
      if (!world.capabilities.observe) return;
      const { reason } = await tunnel.server.events.next("peer-deleted");
      assert.equal(reason, "external");
      assert.deepEqual(await tunnel.server.dco.peers(), []);
    },
  },
  {
    ...adopts,
    name: "deleteOnClose deletes an adopted interface too",
    async run(world) {
      await world.addInterface(world.server, "dk-foreign");
      const adopted = await world.driver.adoptInterface("dk-foreign", {
        mode: "p2p",
        deleteOnClose: true,
        ...world.server.extras,
      });
      await adopted.close();
      assert.equal(await world.inspect(world.server, "dk-foreign"), undefined);
    },
  },
  {
    ...observes,
    name: "an observer reads peers, keys, statistics and events",
    async run(world) {
      const { tunnel, adopted } = await adoptServer(world, { role: "observer" });
      const events = new Recorder(adopted);
      assert.equal(adopted.role, "observer");
      assert.deepEqual(
        (await adopted.peers()).map((peer) => peer.id),
        [1],
      );
      assert.equal((await adopted.peer(1)).id, 1);
      if (world.capabilities.readKeys) assert.equal((await adopted.keys(1)).length, 1);
      await assertReaches(world, tunnel.client, tunnel.server.vpn.ipv4, { count: 2 });
      const [stats] = await adopted.stats();
      assert.equal(stats?.tunnel?.rxPackets, 2n);
      await tunnel.server.dco.removePeer(1);
      assert.equal((await events.next("peer-deleted")).reason, "external");
      assert.deepEqual(await adopted.peers(), []);
    },
  },
  {
    ...observes,
    name: "an observer sees peers that are added after it came",
    async run(world) {
      const { tunnel, adopted } = await adoptServer(world, { role: "observer" });
      const { server, client } = tunnel;
      await server.dco.addPeer({
        id: 2,
        transport: server.transport,
        remote: client.transport.local as { address: string; port: number },
        vpn: { ipv4: "10.8.0.99" },
      });
      assert.deepEqual((await adopted.peers()).map((peer) => peer.id).sort(), [1, 2]);
      assert.deepEqual((await adopted.stats()).map((stats) => stats.id).sort(), [1, 2]);
      assert.equal((await adopted.peer(2)).vpn.ipv4, "10.8.0.99");
    },
  },
  {
    needs: ({ observe, readKeys }) =>
      observe && readKeys ? undefined : "the driver shows no keys to observers",
    name: "an observer sees the keys that the owner installs, swaps and deletes",
    async run(world) {
      const { tunnel, adopted } = await adoptServer(world, { role: "observer" });
      const owner = tunnel.server.dco;
      const seen = async () => {
        const [peer] = await adopted.peers();
        assert.deepEqual((await adopted.peer(1)).keys, peer?.keys);
        return peer?.keys.map(({ slot, id }) => `${slot} ${id}`);
      };
      assert.deepEqual(await seen(), ["primary 0"]);
      await owner.installKey(1, freshKey(1, "secondary"));
      assert.deepEqual(await seen(), ["primary 0", "secondary 1"]);
      await owner.swapKeys(1);
      assert.deepEqual(await seen(), ["primary 1", "secondary 0"]);
      await owner.deleteKey(1, "secondary");
      assert.deepEqual(await seen(), ["primary 1"]);
    },
  },
  {
    ...observes,
    name: "the peers go on when their observer closes, and it tells no end of them",
    async run(world) {
      const { tunnel, adopted } = await adoptServer(world, { role: "observer" });
      const events = new Recorder(adopted);
      await adopted.close();
      await events.done;
      assert.deepEqual(events.all, [{ type: "closed" }]);
      assert.equal((await tunnel.server.dco.peers()).length, 1);
      await assertReaches(world, tunnel.client, tunnel.server.vpn.ipv4);
    },
  },
  {
    ...observes,
    name: "an observer may not change anything: every verb that would is refused with permission",
    async run(world) {
      const { tunnel, adopted } = await adoptServer(world, { role: "observer" });
      const { transport } = tunnel.server;
      const verbs: Record<string, (dco: DcoInterface) => Promise<unknown>> = {
        configure: (dco) => dco.configure({ mtu: 1300 }),
        openTransport: (dco) => dco.openTransport({ protocol: "udp" }),
        addPeer: (dco) => dco.addPeer({ id: 2, transport }),
        setPeer: (dco) => dco.setPeer(1, { keepalive: "off" }),
        removePeer: (dco) => dco.removePeer(1),
        installKey: (dco) => dco.installKey(1, freshKey(1, "secondary")),
        swapKeys: (dco) => dco.swapKeys(1),
        deleteKey: (dco) => dco.deleteKey(1, "primary"),
        addPeers: (dco) => dco.addPeers([]),
        installKeys: (dco) => dco.installKeys([]),
        removePeers: (dco) => dco.removePeers([1]),
      };
      for (const [operation, call] of Object.entries(verbs)) {
        await rejects(() => call(adopted), "permission", { operation, effect: "none" });
      }
      await adopted.close();
      assert.deepEqual(
        (await tunnel.server.dco.peers()).map((peer) => peer.id),
        [1],
      );
      await assertReaches(world, tunnel.client, tunnel.server.vpn.ipv4);
    },
  },
]);
