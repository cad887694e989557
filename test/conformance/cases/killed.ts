/**
 * Processes that end without closing anything, and what cleanUp makes of it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import type { InterfaceInfo } from "../../../src/core/model.ts";
import { openDriver } from "../../../src/index.ts";
import { group } from "../case.ts";
import { type Left, MOMENTS, type Moment } from "../children/moments.ts";
import { eventually } from "../expect.ts";
import { Child } from "../linux/child.ts";
import { interfacesOf, ip, kindOf, LINUX_ONLY, namespaceOf } from "../linux/raw.ts";
import { controlPacket } from "../packets.ts";
import type { Site, World } from "../world.ts";

/** Processes that run at a time: as many as the machine is likely to have processors. */
const WIDTH = 2;

/** A process that has died. */
interface Dead {
  readonly moment: Moment;
  readonly pid: number;
  readonly name: string;
}

/** Lets a process die at a moment, or in the end by our hand. */
async function letDie(world: World, site: Site, moment: Moment, name: string): Promise<Dead> {
  const child = new Child(world, site, "die", { moment, name, address: site.ipv4 });
  const pid = Number(await child.told("pid"));
  if (moment === "with everything open") {
    await child.told("open");
    child.kill();
  }
  const { status } = MOMENTS[moment];
  const expected = status === undefined ? { code: null, signal: "SIGKILL" } : { code: status, signal: null };
  assert.deepEqual(await child.end(moment), expected, `${moment}: ${child.stderr}`);
  return { moment, pid, name };
}

/** All moments, a few processes at a time. */
async function letAllDie(world: World, site: Site): Promise<Dead[]> {
  const dead: Dead[] = [];
  const moments = Object.keys(MOMENTS) as Moment[];
  let next = 0;
  const worker = async () => {
    while (next < moments.length) {
      const at = next++;
      dead.push(await letDie(world, site, moments[at] as Moment, `km-${at}`));
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  return dead;
}

/** What of the dead process is among the interfaces. */
function leftOf({ pid, name }: Dead, interfaces: readonly InterfaceInfo[]): Left {
  const theirs = interfaces.filter(({ owner }) => owner?.pid === pid);
  assert.ok(theirs.length <= 1, `process ${pid} left ${theirs.map((each) => each.name).join()}`);
  const [one] = theirs;
  if (one === undefined) return "nothing";
  assert.equal(one.owner?.alive, false);
  return one.name === name ? "named" : "unnamed";
}

/** The marker of a process, as the SDK writes it. */
function markerOf(pid: number, start: string, pidns = pidNamespace()): string {
  return `dcokit pid=${pid} start=${start} pidns=${pidns}`;
}

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "";
}

/** proc(5): the 22nd field, and the command, the second, may hold anything. */
function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] as string;
}

/** An interface that somebody else makes, with an alias. */
async function addMarked(world: World, site: Site, name: string, alias: string): Promise<void> {
  await world.addInterface(site, name);
  await ip(site, "link", "set", name, "alias", alias);
}

const NO_SUCH_PROCESS = 2 ** 30;

export const killedCases = group("faults", [
  {
    ...LINUX_ONLY,
    name: "what a process leaves that ends at any moment is cleaned up, and nothing else: not a live one's",
    timeoutMs: 900_000,
    async run(world) {
      const { server, driver } = world;
      const mine = await world.createInterface(server, { mode: "p2p", name: "dk-mine" });
      await addMarked(world, server, "dk-foreign", "office: do not delete");
      await world.addInterface(server, "dk-plain");
      const live = new Child(world, server, "live", { name: "dk-live", address: server.ipv4 });
      const port = Number(await live.told("open"));

      const dead = await letAllDie(world, server);
      const found = await driver.listInterfaces(server.extras);
      for (const each of dead) {
        const { left } = MOMENTS[each.moment];
        const really = leftOf(each, found);
        if (left !== "anything") assert.equal(really, left, `of a process that ended ${each.moment}`);
      }
      const leftovers = found.filter(({ owner }) => dead.some(({ pid }) => pid === owner?.pid));
      assert.ok(leftovers.length >= 10, `${leftovers.length} were left`);

      // Two that start at the same time clean up at the same time.
      const other = await world.openDriver();
      const removed = await Promise.all([driver.cleanUp(server.extras), other.cleanUp(server.extras)]);
      const names = new Set(removed.flat().map(({ name }) => name));
      assert.deepEqual([...names].sort(), leftovers.map(({ name }) => name).sort());
      assert.deepEqual(await interfacesOf(server, kindOf(world)), [
        "dk-foreign",
        "dk-live",
        "dk-mine",
        "dk-plain",
      ]);
      assert.deepEqual(await driver.cleanUp(server.extras), [], "there is nothing more");

      // The live one has noticed nothing. Told to, it closes, and then it ends because nothing keeps it.
      const transport = await mine.openTransport({ protocol: "udp", local: `${server.ipv4}:0` });
      await transport.send(controlPacket(), { to: { address: server.ipv4, port } });
      assert.deepEqual(JSON.parse(await live.told("closed")), { peers: [1] });
      assert.deepEqual(await live.end("the live process"), { code: 0, signal: null }, live.stderr);
      assert.deepEqual(await interfacesOf(server, kindOf(world)), ["dk-foreign", "dk-mine", "dk-plain"]);
    },
  },
  {
    ...LINUX_ONLY,
    name: "a process ends as it should though the kernel tells it of something in its last moment",
    timeoutMs: 400_000,
    async run(world) {
      const { server, driver } = world;
      for (const eventTransport of ["netlink", "ffi"]) {
        const child = new Child(world, server, "exit", { name: `dk-${eventTransport}`, eventTransport });
        await child.told("created");
        assert.deepEqual(await child.end(eventTransport), { code: 0, signal: null }, child.stderr);
      }
      const left = await driver.cleanUp(server.extras);
      assert.deepEqual(left.map(({ name }) => name).sort(), ["dk-ffi", "dk-netlink"]);
    },
  },
  {
    ...LINUX_ONLY,
    name: "a killed process that its parent has not taken note of is dead",
    timeoutMs: 120_000,
    async run(world) {
      const { server, driver } = world;
      // The parent of the process becomes a program that never asks how its children end.
      const by = ["sh", "-c", '"$@" & exec sleep 1000', "sh"];
      const order = { moment: "with everything open", name: "dk-zombie", address: server.ipv4 };
      const child = new Child(world, server, "die", order, { by });
      const pid = Number(await child.told("pid"));
      await child.told("open");
      assert.notEqual(pid, child.pid);
      assert.deepEqual(await driver.cleanUp(server.extras), [], "it lives");
      process.kill(pid, "SIGKILL");
      // It is over when the last of its threads is.
      const removed = await eventually(
        "cleanUp",
        () => driver.cleanUp(server.extras),
        ({ length }) => length > 0,
      );
      assert.deepEqual(
        removed.map(({ name }) => name),
        ["dk-zombie"],
      );
      assert.match(
        readFileSync(`/proc/${pid}/stat`, "latin1"),
        /\) Z /,
        "it is still in the table of processes",
      );
    },
  },
  {
    ...LINUX_ONLY,
    name: "cleanUp goes by process id, start time and pid namespace, and by nothing that only looks like them",
    async run(world) {
      const { server, driver } = world;
      const start = startOf(process.pid);
      const marks: Record<string, [alias: string, isLeftover: boolean]> = {
        "dk-alive": [markerOf(process.pid, start), false],
        "dk-reused": [markerOf(process.pid, `${BigInt(start) + 1n}`), true],
        "dk-gone": [markerOf(NO_SUCH_PROCESS, "1"), true],
        // It cannot be looked up from here.
        "dk-container": [markerOf(NO_SUCH_PROCESS, "1", "1"), false],
        "dk-before": [` ${markerOf(NO_SUCH_PROCESS, "1")}`, false],
        "dk-after": [`${markerOf(NO_SUCH_PROCESS, "1")} x`, false],
        "dk-other": ["other pid=1 start=1 pidns=1", false],
      };
      for (const [name, [alias]] of Object.entries(marks)) await addMarked(world, server, name, alias);
      const removed = await driver.cleanUp(server.extras);
      assert.deepEqual(removed.map(({ name }) => name).sort(), ["dk-gone", "dk-reused"]);
      for (const { owner, mode } of removed) {
        assert.equal(owner?.alive, false);
        assert.equal(mode, "p2p");
      }
      const stay = Object.entries(marks).flatMap(([name, [, isLeftover]]) => (isLeftover ? [] : [name]));
      assert.deepEqual(await interfacesOf(server, kindOf(world)), stay.sort());
    },
  },
  {
    ...LINUX_ONLY,
    name: "an interface that has taken a leftover's name meanwhile is not cleaned up",
    async run(world) {
      const { server } = world;
      await addMarked(world, server, "dk-race", markerOf(NO_SUCH_PROCESS, "1"));
      const at = ["-n", namespaceOf(server), "link"];
      let swapped = false;
      const driver = await openDriver({
        trace: ({ direction, message }) => {
          if (swapped || direction !== "reply" || (message as { message: string }).message !== "done") return;
          swapped = true;
          // The list has been read, and nothing was deleted yet.
          execFileSync("ip", [...at, "del", "dk-race"]);
          execFileSync("ip", [...at, "add", "dk-race", "type", kindOf(world)]);
        },
      });
      world.onClose(() => driver.close());
      swapped = false;
      const removed = await driver.cleanUp(server.extras);
      assert.equal(swapped, true, "it was swapped between the two steps");
      assert.deepEqual(removed, []);
      assert.deepEqual(await interfacesOf(server, kindOf(world)), ["dk-race"]);
    },
  },
]);
