/**
 * What the driver of Windows does in its own way. These cases look into the driver, so they need its simulator; what the
 * simulator answers is from the driver's sheets.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { AddPeerOptions, Endpoint } from "../../../src/core/model.ts";
import { WireTracer } from "../../../src/core/trace.ts";
import { parseEndpoint, parsePrefix } from "../../../src/core/validate.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import type { Outcome, Pending } from "../../../src/windows/device.ts";
import { OvpnExchange } from "../../../src/windows/exchange.ts";
import type { WindowsDco } from "../../../src/windows/index.ts";
import { type IoctlName, ioctlCode } from "../../../src/windows/ioctl.ts";
import type { Command, Requests } from "../../../src/windows/messages.ts";
import { win32Of } from "../../../src/windows/status.ts";
import { Win32Devices } from "../../../src/windows/win32/devices.ts";
import { type Case, group } from "../case.ts";
import { eventually, inTime, pause, rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { Recorder } from "../recorder.ts";
import { notifyEvent, type Simulator } from "../windows/simulator.ts";
import { WindowsWorld } from "../windows/world.ts";
import { NotHere, type World } from "../world.ts";

/** Somewhere that nobody answers. */
const NOWHERE = "192.0.2.99:1194";

const STATUS_CONNECTION_ABORTED = 0xc0000241;
const STATUS_CONNECTION_DISCONNECTED = 0xc000020c;

/** How often the event loop's delay is compared. */
const LOOP_TRIES = 5;

/** An adapter that is open, and the simulator behind it. */
interface Opened {
  readonly world: WindowsWorld;
  readonly simulator: Simulator;
  readonly dco: WindowsDco;
  /** The adapter's number. */
  readonly at: number;
  readonly events: Recorder;
}

function parts(world: World): { readonly world: WindowsWorld; readonly simulator: Simulator } {
  if (!(world instanceof WindowsWorld)) throw new NotHere("this is about the driver of Windows");
  const { simulator } = world;
  if (simulator === undefined) throw new NotHere("the driver is the real one, which cannot be looked into");
  return { world, simulator };
}

async function open(given: World, mode: "p2p" | "multipeer"): Promise<Opened> {
  const { world, simulator } = parts(given);
  const dco = await world.createInterface(world.server, { mode });
  const at = await simulator.numberOf(dco.extras.instance);
  return { world, simulator, dco, at, events: new Recorder(dco) };
}

const emit = (
  { simulator, at }: Opened,
  command: number,
  peer: number,
  reason: number,
  address?: Endpoint,
): Promise<void> => simulator.at(at).emit(notifyEvent(command, peer, reason, address));
const openUdp = ({ dco }: Opened) => dco.openTransport({ protocol: "udp", remote: NOWHERE });
const listenUdp = ({ dco }: Opened, local = "127.0.0.1:0") => dco.openTransport({ protocol: "udp", local });

/** A peer of its own address: the driver takes no two with one. */
function peerOf(id: number, transport: AddPeerOptions["transport"]): AddPeerOptions {
  const remote = { address: "192.0.2.99", port: 1000 + id };
  return { id, transport, remote, vpn: { ipv4: `10.${id >> 8}.${id & 255}.9` } };
}

/** Waits until the driver has nothing of an adapter any more. */
function untilFree(simulator: Simulator, at: number): Promise<unknown> {
  const held = async () => {
    const state = await simulator.at(at).state();
    const { openHandles, pendingReads, pendingNotifications, pendingConnects, sockets, peers } = state;
    return { openHandles, pendingReads, pendingNotifications, pendingConnects, sockets, peers };
  };
  return eventually("what the driver holds", held, (all) => Object.values(all).every((count) => count === 0));
}

/** The path of an adapter that is free. */
async function freePath(world: WindowsWorld): Promise<{ path: string; at: number; devices: Win32Devices }> {
  const { simulator } = parts(world);
  const states = await simulator.states();
  const at = states.findIndex(({ openHandles }) => openHandles === 0);
  const instance = states[at]?.instance.replaceAll("\\", "#");
  const path = `\\\\?\\${instance}#{cac88484-7515-4c03-82e6-71a87abac361}`;
  return { path, at, devices: new Win32Devices(loadFfi()) };
}

type Sent = { readonly [C in Command]: readonly [C, Requests[C], string] }[Command];

const endpoint = (text: string) => parseEndpoint(text, "x", { port: "any" });
const prefix = (text: string) => parsePrefix(text, "x", { hostBits: "refuse" });
const bytes = (length: number, byte: number) => new Uint8Array(length).fill(byte);
const key = (slot: "primary" | "secondary", byte: number) => ({
  slot,
  id: slot === "primary" ? 0 : 1,
  cipher: "aes-128-gcm" as const,
  encryptKey: bytes(16, byte),
  encryptNonceTail: bytes(8, byte + 1),
  decryptKey: bytes(16, byte + 2),
  decryptNonceTail: bytes(8, byte + 3),
});
const keyHex = (slot: number, byte: number, peer: string) => {
  const hex = (value: number, count: number) => value.toString(16).padStart(2, "0").repeat(count);
  const direction = (at: number) => `${hex(at, 16)}${hex(0, 16)}10${hex(at + 1, 8)}`;
  const rest = `0000 0${slot}000000 01000000 0${slot}000000 ${peer}`;
  return `${direction(byte)} ${direction(byte + 2)} ${rest}`;
};
const zeros = (count: number) => "00".repeat(count);

/** Every request, with its bytes written by hand; in an order in which the driver takes them. */
const P2P: readonly Sent[] = [
  ["GET_VERSION", undefined, ""],
  [
    "NEW_PEER",
    { local: undefined, remote: endpoint("127.0.0.1:1194"), protocol: "udp" },
    `0200 ${zeros(26)} 0200 04aa 7f000001 ${zeros(20)} 00000000`,
  ],
  ["START_VPN", undefined, ""],
  ["NEW_KEY", { peer: 5, key: key("primary", 0x11) }, keyHex(0, 0x11, "05000000")],
  ["NEW_KEY", { peer: 5, key: key("secondary", 0x21) }, keyHex(1, 0x21, "05000000")],
  ["SWAP_KEYS", undefined, ""],
  ["SET_PEER", { interval: 10, timeout: 60 }, "0a000000 3c000000 00000000"],
  ["GET_STATS", undefined, ""],
  ["DEL_PEER", undefined, ""],
];

const MULTIPEER: readonly Sent[] = [
  ["SET_MODE", { mode: "multipeer" }, "01000000"],
  [
    "MP_START_VPN",
    { listen: endpoint("127.0.0.1:0"), ipv6Only: true },
    `0200 0000 7f000001 ${zeros(20)} 01000000`,
  ],
  [
    "MP_NEW_PEER",
    {
      peer: 5,
      family: 4,
      remote: endpoint("127.0.0.1:40000"),
      vpn4: Uint8Array.of(10, 8, 0, 2),
      vpn6: undefined,
    },
    `0200 ${zeros(26)} 0200 9c40 7f000001 ${zeros(20)} 0a080002 ${zeros(16)} 05000000`,
  ],
  ["NEW_KEY", { peer: 5, key: key("primary", 0x31) }, keyHex(0, 0x31, "05000000")],
  ["NEW_KEY", { peer: 5, key: key("secondary", 0x41) }, keyHex(1, 0x41, "05000000")],
  ["MP_SWAP_KEYS", { peer: 5 }, "05000000"],
  ["MP_SET_PEER", { peer: 5, interval: 10, timeout: 60 }, "05000000 0a000000 3c000000 00000000"],
  [
    "MP_ADD_IROUTE",
    { peer: 5, prefix: prefix("192.168.5.0/24") },
    `c0a80500 ${zeros(12)} 18000000 05000000 00000000`,
  ],
  [
    "MP_ADD_IROUTE",
    { peer: 5, prefix: prefix("2001:db8::/32") },
    `20010db8 ${zeros(12)} 20000000 05000000 01000000`,
  ],
  ["MP_DEL_IROUTE", { prefix: prefix("192.168.5.0/24") }, `c0a80500 ${zeros(12)} 18000000 ffffffff 00000000`],
  ["GET_PEER_STATS", { peer: -1 }, "ffffffff"],
  ["GET_STATS", undefined, ""],
  ["MP_DEL_PEER", { peer: 5 }, "05000000"],
  // Its event is queued, so it does not wait.
  ["NOTIFY_EVENT", undefined, ""],
];

async function sendAll(world: WindowsWorld, mode: "p2p" | "multipeer", all: readonly Sent[]): Promise<void> {
  const { simulator } = parts(world);
  const { path, at, devices } = await freePath(world);
  const exchange = new OvpnExchange(devices, path, { mode, tracer: new WireTracer(undefined), name: "test" });
  try {
    await simulator.at(at).requests();
    for (const [command, input, hex] of all) {
      await inTime(exchange.ioctl(command, input as never), command);
      const [request, ...others] = await simulator.at(at).requests();
      assert.deepEqual(others, [], command);
      assert.equal(request?.code, ioctlCode(command));
      assert.equal(request?.bytes.toString("hex"), hex.replaceAll(" ", ""), command);
    }
  } finally {
    await exchange.close();
  }
}

const cases: Omit<Case, "group">[] = [
  {
    name: "every request of p2p mode arrives byte for byte and is answered, by each generation of the driver",
    async run(given) {
      const { world, simulator } = parts(given);
      for (const version of ["1.3.3", "2.0.1", "2.8.6"]) {
        const { at } = await freePath(world);
        await simulator.at(at).configure(version);
        world.onClose(() => simulator.at(at).configure("2.8.6"));
        await sendAll(world, "p2p", P2P);
      }
    },
  },
  {
    name: "every request of multi-peer mode arrives byte for byte and is answered",
    async run(given) {
      const { world } = parts(given);
      await sendAll(world, "multipeer", MULTIPEER);
    },
  },
  {
    name: "the one request that is never sent, a key of epochs, is one that the driver has",
    async run(given) {
      const { world } = parts(given);
      const { path, devices } = await freePath(world);
      const device = devices.open(path, "exclusive");
      const ask = (name: IoctlName, input = Buffer.alloc(0)) =>
        device.ioctl(ioctlCode(name), input, 0).outcome;
      try {
        const peer = `0200 ${zeros(26)} 0200 04aa 7f000001 ${zeros(20)} 00000000`.replaceAll(" ", "");
        assert.equal((await ask("NEW_PEER", Buffer.from(peer, "hex"))).failure, undefined);
        const data = Buffer.alloc(104);
        data.write(keyHex(0, 0x51, "05000000").replaceAll(" ", ""), "hex");
        assert.equal((await ask("NEW_KEY_V2", data)).failure, undefined);
      } finally {
        await device.close();
      }
    },
  },
  {
    name: "what a version lacks is not promised: modes, events, statistics",
    async run(given) {
      const { world, simulator } = parts(given);
      const { at } = await freePath(world);
      world.onClose(() => simulator.at(at).configure("2.8.6"));
      const version = (minor: number) => simulator.at(at).configure(`2.${minor}.0`);
      await version(4);
      const name = (await world.driver.listInterfaces())[at]?.name ?? "";
      await rejects(world.driver.adoptInterface(name, { mode: "multipeer" }), "unsupported", {
        capability: "modes",
        effect: "none",
      });
      for (const [minor, floatEvent, linkStats] of [
        [5, "none", false],
        [6, "event", false],
        [7, "event", true],
      ] as const) {
        await version(minor);
        const dco = await world.driver.adoptInterface(name, { mode: "multipeer" });
        const { capabilities } = dco;
        assert.deepEqual([capabilities.floatEvent, capabilities.linkStats], [floatEvent, linkStats]);
        const transport = await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
        await dco.addPeer(peerOf(7, transport));
        const [stats] = await dco.stats();
        assert.deepEqual([stats?.id, stats?.link?.rxBytes], [7, linkStats ? 0n : undefined]);
        await dco.close();
      }
    },
  },
  {
    name: "an adapter is open once: a second is busy, and free adapters are taken in turn until none is left",
    async run(given) {
      const { world, simulator } = parts(given);
      const adapters = simulator.count;
      const all = [];
      for (let n = 0; n < adapters; n++) all.push(await world.createInterface(world.server, { mode: "p2p" }));
      assert.equal(new Set(all.map(({ extras }) => extras.instance)).size, adapters);
      await rejects(world.createInterface(world.server, { mode: "p2p" }), "busy", { effect: "none" });
      const [first] = all;
      assert.ok(first);
      const again = world.driver.adoptInterface(first.name, { mode: "p2p" });
      await rejects(again, "busy", { effect: "none" });
      await first.close();
      const next = await world.createInterface(world.server, { mode: "multipeer" });
      assert.equal(next.extras.instance, first.extras.instance);
    },
  },
  {
    name: "the driver's events end and move peers, with every reason; one of a newer driver is unknown",
    async run(given) {
      const opened = await open(given, "multipeer");
      const { dco, events } = opened;
      const transport = await listenUdp(opened);
      const reasons = ["interface-removed", "expired", "transport-error", "transport-disconnect", "unknown"];
      for (const [n, reason] of [0, 2, 3, 4, 99].entries()) {
        await dco.addPeer(peerOf(n, transport));
        await emit(opened, 0, n, reason);
        const event = await events.next("peer-deleted");
        assert.deepEqual([event.peer, event.reason], [n, reasons[n]]);
      }
      await dco.addPeer(peerOf(20, transport));
      const moved = { address: "127.0.0.1", port: 5555 };
      await emit(opened, 2, 20, 0, moved);
      assert.deepEqual((await events.next("peer-floated")).remote, moved);
      assert.deepEqual((await dco.peer(20)).remote, moved);
      await emit(opened, 2, 20, 0, { address: "::ffff:127.0.0.2", port: 5556 });
      assert.deepEqual((await events.next("peer-floated")).remote, { address: "127.0.0.2", port: 5556 });
      await emit(opened, 77, 20, 0);
      assert.equal((await events.next("unknown")).native, 77);
      assert.equal(dco.closed, false);
    },
  },
  {
    name: "events that come while nobody waits are told, in order: 500 at once",
    async run(given) {
      const opened = await open(given, "multipeer");
      const { dco, events } = opened;
      await listenUdp(opened);
      const one = (n: number) => emit(opened, 1000 + n, 1, 0);
      // Not all at the same time: koffi does not bear hundreds of callbacks, and the simulator's client makes one each.
      for (let n = 0; n < 500; n += 10) await Promise.all(Array.from({ length: 10 }, (_, m) => one(n + m)));
      await eventually(
        "events",
        () => events.of("unknown").length,
        (count) => count === 500,
      );
      assert.deepEqual(
        events.of("unknown").map(({ native }) => native),
        Array.from({ length: 500 }, (_, n) => 1000 + n),
      );
      assert.equal(dco.closed, false);
    },
  },
  {
    name: "p2p: a pended read that fails ends peer and transport with its reason, and the next opens at once",
    async run(given) {
      const opened = await open(given, "p2p");
      const { dco, simulator, at, events } = opened;
      for (const [status, reason] of [
        [STATUS_CONNECTION_DISCONNECTED, "expired"],
        [STATUS_CONNECTION_ABORTED, "transport-disconnect"],
        [0xc000023c, "transport-error"],
      ] as const) {
        const transport = await openUdp(opened);
        assert.equal((await simulator.at(at).state()).pendingReads, 3);
        await dco.addPeer({ id: 5, transport });
        const end = transport.packets().next();
        end.catch(() => {});
        await simulator.at(at).failRead(status);
        assert.equal((await events.next("peer-deleted")).reason, reason);
        if (reason === "expired") assert.equal((await end).done, true);
        else await rejects(end, "socket");
        assert.equal(transport.closed, true);
        assert.deepEqual(await dco.peers(), []);
      }
      await openUdp(opened);
    },
  },
  {
    name: "p2p: keepalive is armed with the first key, in seconds and never -1, and its end is expired",
    async run(given) {
      const opened = await open(given, "p2p");
      const { dco, simulator, at, events } = opened;
      const transport = await openUdp(opened);
      await dco.addPeer({ id: 5, transport, keepalive: { interval: 1, timeout: 2 } });
      const times = async () => {
        const { interval, timeout, mss } = await simulator.at(at).peer();
        return { interval, timeout, mss };
      };
      assert.deepEqual(await times(), { interval: 0, timeout: 0, mss: 0 });
      await dco.installKey(5, freshKey());
      assert.deepEqual(await times(), { interval: 1, timeout: 2, mss: 0 });
      assert.equal((await events.next("peer-deleted")).reason, "expired");
    },
  },
  {
    name: "TCP: a refused connection is socket, and the next attempt is free",
    async run(given) {
      const { dco, simulator, at } = await open(given, "p2p");
      const server = createServer();
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const remote = { address: "127.0.0.1", port };
      server.close();
      await once(server, "close");
      for (let n = 0; n < 3; n++) {
        const error = await rejects(dco.openTransport({ protocol: "tcp", remote }), "socket", {
          effect: "none",
        });
        assert.equal(error.native?.name, "STATUS_CONNECTION_REFUSED");
      }
      assert.equal((await simulator.at(at).state()).sockets, 0);
    },
  },
  {
    name: "TCP: a slow connect is aborted, or ends with the interface, and leaves nothing",
    async run(given) {
      const { dco, simulator, at } = await open(given, "p2p");
      const remote = await silentHost();
      const connecting = async () => (await simulator.at(at).state()).pendingConnects;
      const abort = new AbortController();
      const slow = dco.openTransport({ protocol: "tcp", remote, signal: abort.signal });
      slow.catch(() => {});
      await eventually("a connect", connecting, (count) => count === 1);
      abort.abort();
      await rejects(slow, "aborted", { effect: "none" });
      await eventually(
        "its socket",
        async () => (await simulator.at(at).state()).sockets,
        (count) => count === 0,
      );
      const again = dco.openTransport({ protocol: "tcp", remote });
      again.catch(() => {});
      await eventually("a connect", connecting, (count) => count === 1);
      await inTime(dco.close(), "closing while it connects");
      await rejects(again, "closed");
      await untilFree(simulator, at);
    },
  },
  {
    name: "an adapter that is disabled under us ends the interface, and can be opened again when it is enabled",
    async run(given) {
      for (const mode of ["p2p", "multipeer"] as const) {
        const opened = await open(given, mode);
        const { dco, simulator, at, events } = opened;
        const transport = mode === "p2p" ? await openUdp(opened) : await listenUdp(opened);
        await dco.addPeer(mode === "p2p" ? { id: 3, transport } : peerOf(3, transport));
        await simulator.at(at).enable(false);
        await events.next("interface-removed");
        assert.equal((await events.next("peer-deleted")).reason, "interface-removed");
        await inTime(events.done, "the events' end");
        assert.equal(dco.closed, true);
        const names = (await opened.world.driver.listInterfaces()).map(({ name }) => name);
        assert.ok(!names.includes(dco.name));
        await simulator.at(at).enable(true);
        await untilFree(simulator, at);
        const again = await opened.world.driver.adoptInterface(dco.name, { mode });
        await again.close();
      }
    },
  },
  {
    name: "an adapter that is disabled without a transport is told of too",
    async run(given) {
      const { dco, simulator, at, events } = await open(given, "p2p");
      await simulator.at(at).enable(false);
      await events.next("interface-removed");
      await inTime(events.done, "the events' end");
      assert.equal(dco.closed, true);
      await simulator.at(at).enable(true);
    },
  },
  {
    name: "statistics of more peers than fit at first are all there",
    async run(given) {
      const opened = await open(given, "multipeer");
      const { dco } = opened;
      const transport = await listenUdp(opened);
      const ids = Array.from({ length: 150 }, (_, id) => id);
      const added = await dco.addPeers(ids.map((id) => peerOf(id, transport)));
      assert.ok(added.every(({ ok }) => ok));
      const stats = await dco.stats();
      assert.deepEqual(
        stats.map(({ id }) => id).sort((a, b) => a - b),
        ids,
      );
    },
  },
  {
    name: "with 100 requests pending the event loop's delay is that of an idle loop, and all end when cancelled",
    async run(given) {
      const { world, simulator } = parts(given);
      const { path, at, devices } = await freePath(world);
      const device = devices.open(path, "exclusive");
      try {
        let reads: Pending[] = [];
        const tries: string[] = [];
        // A machine that does other things delays any loop now and then; requests that stop it would do so each time.
        for (let n = 0; n < LOOP_TRIES; n++) {
          const idle = await delayOfLoop();
          reads = Array.from({ length: 100 }, () => device.read(2076));
          assert.equal((await simulator.at(at).state()).pendingReads, 100);
          const loaded = await delayOfLoop();
          tries.push(`${loaded.toFixed(1)} ms, of an idle loop ${idle.toFixed(1)} ms`);
          if (loaded - idle <= 20) break;
          assert.ok(n < LOOP_TRIES - 1, `the 99th percentile is ${tries.join("; ")}`);
          for (const { cancel } of reads) cancel();
          await Promise.all(reads.map(({ outcome }) => outcome));
        }
        for (const { cancel } of reads.slice(0, 50)) cancel();
        const half = await Promise.all(reads.slice(0, 50).map(({ outcome }) => outcome));
        assert.ok(half.every(isCancelled));
        assert.equal((await simulator.at(at).state()).pendingReads, 50);
        await device.close();
        const rest = await Promise.all(reads.slice(50).map(({ outcome }) => outcome));
        assert.ok(rest.every(isCancelled));
        await untilFree(simulator, at);
      } finally {
        await device.close();
      }
    },
  },
  {
    name: "200 rounds of opening and closing, with transports, leave no handle",
    timeoutMs: 120_000,
    async run(given) {
      const { world, simulator } = parts(given);
      const count = handleCounter();
      const round = async (n: number) => {
        const mode = n % 2 === 0 ? "p2p" : "multipeer";
        const dco = await world.driver.createInterface({ mode, createAdapter: false });
        const remote = mode === "p2p" ? { remote: NOWHERE } : { local: "127.0.0.1:0" };
        const transport = await dco.openTransport({ protocol: "udp", ...remote });
        if (mode === "p2p") await dco.addPeer({ id: 1, transport });
        await dco.close();
      };
      for (let n = 0; n < 10; n++) await round(n);
      const before = count();
      for (let n = 0; n < 200; n++) await round(n);
      for (let at = 0; at < simulator.count; at++) await untilFree(simulator, at);
      await eventually("handles of this process", count, (now) => now <= before + 10);
    },
  },
  {
    name: "a process that is killed at any moment leaves the driver no handle and no request",
    timeoutMs: 180_000,
    async run(given) {
      const { simulator } = parts(given);
      for (let n = 0; n < 8; n++) {
        const child = startChild("busy");
        await child.ready();
        await pause(Math.random() * 300);
        await child.kill();
        for (let at = 0; at < simulator.count; at++) await untilFree(simulator, at);
      }
    },
  },
  {
    name: "a process ends by itself after closing, and at once by process.exit with all open",
    async run(given) {
      const { simulator } = parts(given);
      for (const name of ["closed", "exits"]) {
        const child = startChild(name);
        await child.ready();
        assert.equal(await inTime(child.ended, `the end of the child that is ${name}`), 0);
        for (let at = 0; at < simulator.count; at++) await untilFree(simulator, at);
      }
    },
  },
];

export const windowsCases = group("Windows", cases);

function isCancelled({ failure }: Outcome): boolean {
  return failure !== undefined && win32Of(failure) === 995;
}

/** The 99th percentile of two seconds, in milliseconds. */
async function delayOfLoop(): Promise<number> {
  const histogram = monitorEventLoopDelay({ resolution: 5 });
  histogram.enable();
  await pause(2000);
  histogram.disable();
  return histogram.percentile(99) / 1e6;
}

/** Handles that this process has. */
function handleCounter(): () => number {
  const kernel = loadFfi().library(["kernel32.dll"]);
  const getCount = kernel.func("GetProcessHandleCount", "i32", ["pointer", "buffer"]);
  return () => {
    const count = Buffer.alloc(4);
    assert.notEqual(getCount(0xffff_ffff_ffff_ffffn, count), 0);
    return count.readUInt32LE(0);
  };
}

/** An address that does not answer a connection at all, not even by a refusal. */
async function silentHost(): Promise<Endpoint> {
  const remote = { address: "192.0.2.99", port: 9 };
  const socket = connect({ host: remote.address, port: remote.port });
  const answer = new Promise<string>((resolve) => {
    socket.once("error", ({ message }) => resolve(message));
    socket.once("connect", () => resolve("it is there"));
    setTimeout(resolve, 500, "");
  });
  const said = await answer;
  socket.destroy();
  if (said !== "") throw new NotHere(`nothing here keeps a connection waiting: ${said}`);
  return remote;
}

/** A process of this program with another part. */
function startChild(name: string) {
  const folder = mkdtempSync(join(tmpdir(), "dcokit-"));
  const file = join(folder, "said");
  const program = process.argv[1] as string;
  const child = spawn(process.execPath, [...process.execArgv, program, "--child", name, "--said", file], {
    stdio: "ignore",
  });
  const ended = once(child, "exit").then(([status]) => {
    rmSync(folder, { recursive: true, force: true });
    return status as number | null;
  });
  const said = () => existsSync(file) && readFileSync(file, "utf8").includes("ready");
  return {
    ended,
    ready: async () => {
      let status: number | null | undefined;
      const early = ended.then((code) => {
        status = code;
      });
      void early;
      await eventually("the child's word", () => said() || status !== undefined, Boolean, 60_000);
    },
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
