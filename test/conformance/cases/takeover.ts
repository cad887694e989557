/**
 * Interfaces whose owner is dead, and interfaces that go while they are used.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { DcoInterface } from "../../../src/core/contract.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { group } from "../case.ts";
import { inTime } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { Child } from "../linux/child.ts";
import { interfacesOf, ip, kindOf, LINUX_ONLY } from "../linux/raw.ts";
import { Recorder } from "../recorder.ts";
import { openEnd } from "../tunnel.ts";
import type { Site, World } from "../world.ts";

const NO_SUCH_PROCESS = 2 ** 30;

/** What the kernel has noted of an interface's owner. */
async function aliasOf(site: Site, name: string): Promise<string | undefined> {
  const [link] = JSON.parse(await ip(site, "-j", "link", "show", name)) as { ifalias?: string }[];
  return link?.ifalias;
}

async function addMarked(world: World, site: Site, name: string, alias: string): Promise<void> {
  await world.addInterface(site, name);
  await ip(site, "link", "set", name, "alias", alias);
}

const deadMarker = `dcokit pid=${NO_SUCH_PROCESS} start=1 pidns=4026531836`;

export const takeoverCases = group("adopt", [
  {
    ...LINUX_ONLY,
    name: "an interface of a killed process that is taken over is not cleaned up under its new owner",
    timeoutMs: 240_000,
    async run(world) {
      const { server } = world;
      const order = { moment: "with everything open", name: "dk-dead", address: server.ipv4 };
      const child = new Child(world, server, "die", order);
      await child.told("open");
      child.kill();
      await child.end("the owner");
      const dco = await world.driver.adoptInterface("dk-dead", server.extras);
      const other = await world.openDriver();
      assert.deepEqual(await other.cleanUp(server.extras), []);
      const [info] = await other.listInterfaces(server.extras);
      assert.deepEqual([info?.owner?.pid, info?.owner?.alive], [process.pid, true]);
      // Its peers went with the sockets of the dead, unless the kernel keeps those; it takes new ones.
      const left = await dco.peers();
      assert.equal(left.length, world.capabilities.peersSurviveProcess ? 2 : 0);
      await dco.removePeers(left.map(({ id }) => id));
      const transport = await dco.openTransport({ protocol: "udp", local: `${server.ipv4}:0` });
      await dco.addPeer({ id: 1, transport, remote: "192.0.2.99:1194", vpn: { ipv4: "10.8.0.9" } });
      await dco.close();
      assert.deepEqual(
        await interfacesOf(server, kindOf(world)),
        ["dk-dead"],
        "closing leaves what was not created",
      );
      await other.deleteInterface("dk-dead", server.extras);
    },
  },
  {
    ...LINUX_ONLY,
    name: "the marker of a dead owner becomes the new owner's, however it is taken over; an observer leaves it",
    async run(world) {
      const { server, driver } = world;
      const pidns = /pidns=\d+/;
      const own = await world.createInterface(server, { mode: "p2p", name: "dk-own" });
      const marker = (await aliasOf(server, own.name)) ?? "";
      const dead = deadMarker.replace(pidns, pidns.exec(marker)?.[0] as string);
      const takers: Record<string, (name: string) => Promise<DcoInterface>> = {
        adopt: (name) => driver.adoptInterface(name, { ...server.extras }),
        flush: (name) => driver.adoptInterface(name, { peers: "flush", ...server.extras }),
        create: (name) =>
          driver.createInterface({ name, mode: "p2p", onExisting: "adopt", ...server.extras }),
        delete: (name) => driver.adoptInterface(name, { deleteOnClose: true, ...server.extras }),
      };
      for (const [how, take] of Object.entries(takers)) {
        if (how === "flush" && !own.capabilities.listPeers) continue;
        await addMarked(world, server, `dk-${how}`, dead);
        await take(`dk-${how}`);
        assert.equal(await aliasOf(server, `dk-${how}`), marker, how);
      }
      assert.deepEqual(await driver.cleanUp(server.extras), []);
      // The dead one's, a living one's, and a stranger's.
      await addMarked(world, server, "dk-watched", dead);
      await driver.adoptInterface("dk-watched", { role: "observer", ...server.extras });
      assert.equal(await aliasOf(server, "dk-watched"), dead);
      await addMarked(world, server, "dk-stranger", "office");
      await driver.adoptInterface("dk-stranger", server.extras);
      assert.equal(await aliasOf(server, "dk-stranger"), "office");
      await world.addInterface(server, "dk-plain");
      await driver.adoptInterface("dk-plain", server.extras);
      assert.equal(await aliasOf(server, "dk-plain"), undefined);
      const alive = marker.replace(/pid=\d+ start=\d+/, `pid=1 start=${await startOfInit()}`);
      await addMarked(world, server, "dk-alive", alive);
      await driver.adoptInterface("dk-alive", server.extras);
      assert.equal(await aliasOf(server, "dk-alive"), alive);
      assert.deepEqual(
        (await driver.cleanUp(server.extras)).map(({ name }) => name),
        ["dk-watched"],
      );
    },
  },
  {
    ...LINUX_ONLY,
    name: "an interface that somebody deletes while calls are under way: all of them settle, each peer ends once",
    async run(world) {
      const { dco, transport, events } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const peer = (id: number) => ({
        id,
        transport,
        remote: "192.0.2.99:1194",
        vpn: { ipv4: `10.8.${id >> 8}.${id & 255}` },
        routes: [`10.${100 + (id >> 8)}.${id & 255}.0/24`],
      });
      const ids = Array.from({ length: 40 }, (_, at) => at + 2);
      for (const added of await dco.addPeers(ids.map(peer))) assert.equal(added.ok, true);
      const second = new Recorder(dco);
      // A peer that ovpn-dco-v2 adds to an interface that is going keeps `ip link del` for ever: see docs/linux.md.
      const more = world.driver.info.backend === "linux-legacy" ? [] : ids.map((id) => peer(id + 300));
      const calls = [
        dco.removePeers(ids.slice(0, 10)),
        dco.installKeys(ids.map((each) => ({ peer: each, key: freshKey() }))),
        dco.addPeers(more),
        dco.configure({ mtu: 1300 }),
        dco.linkUp({ signal: AbortSignal.timeout(15_000) }),
        dco.peers(),
        dco.stats(),
        dco.setPeer(20, { keepalive: { interval: 10, timeout: 60 } }),
        dco.removePeer(30),
      ].map((call: Promise<unknown>) =>
        call.then(
          () => undefined,
          (error: unknown) => error,
        ),
      );
      await ip(world.server, "link", "del", dco.name);
      for (const error of await inTime(Promise.all(calls), "the calls")) {
        if (error === undefined) continue;
        assert.ok(DcoError.is(error) && ["not-found", "closed", "aborted"].includes(error.code), `${error}`);
      }
      await Promise.all([events.done, second.done]);
      assert.equal(dco.closed, true);
      assert.equal(events.of("interface-removed").length, 1);
      assert.equal(events.all.at(-1)?.type, "closed");
      const ended = events.of("peer-deleted").map((event) => `${event.peer} ${event.generation}`);
      assert.equal(new Set(ended).size, ended.length, "no end is told twice");
      for (const id of ids)
        assert.ok(
          ended.some((each) => each.startsWith(`${id} `)),
          `peer ${id} has ended`,
        );
      // Whatever was added meanwhile has ended too, or never began.
      assert.equal(transport.closed, true);
    },
  },
]);

/** Field 22 of proc(5) stat; the command of process 1 has no parenthesis of its own. */
async function startOfInit(): Promise<string> {
  const stat = await readFile("/proc/1/stat", "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] as string;
}
