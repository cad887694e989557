/** The P2P mode, and what differs between versions of it. */
import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Case } from "../case.ts";
import { adapterPath, Device } from "../device.ts";
import { code, ipv4, ipv6, pack, read, sizeOf } from "../layout.ts";
import { LOOPBACK, NEW, newPeer, OLD, quiet, type Scene, withAdapter } from "../scene.ts";
import { ANSWER_AT_ONCE, Simulator } from "../simulator.ts";

const p2p = (name: string, version: string, run: (scene: Scene) => Promise<void>, flags = 0): Case => ({
  group: `P2P, ${version}`,
  name,
  run: () => withAdapter(version, run, { flags }),
});

export const p2pCases: readonly Case[] = [
  ...["1.0.0", "1.3.3", "2.0.1", "2.4.0", "2.5.9", "2.8.6"].map((version) =>
    p2p("GET_VERSION tells it", version, async ({ must }) => {
      const bytes = await must("GET_VERSION", undefined, sizeOf("VERSION"));
      const found = ["Major", "Minor", "Patch"].map((key) => read(bytes, "VERSION", key));
      equal(found.join("."), version);
    }),
  ),

  {
    group: "P2P",
    name: "each request is there from its version on, and 1 before",
    async run() {
      const since = {
        "1.3.3": ["NEW_PEER", "GET_STATS", "NEW_KEY", "SWAP_KEYS", "SET_PEER", "START_VPN", "DEL_PEER"],
        "1.4.0": ["NEW_KEY_V2"],
        "2.0.1": ["-NEW_KEY_V2"],
        "2.4.0": ["NEW_KEY_V2", "SET_MODE", "MP_START_VPN", "MP_NEW_PEER"],
        "2.5.9": ["MP_SET_PEER", "MP_DEL_PEER", "MP_SWAP_KEYS", "MP_ADD_IROUTE", "MP_DEL_IROUTE"],
        "2.7.1": ["GET_PEER_STATS"],
      };
      const there = new Set<string>();
      for (const [version, names] of Object.entries(since)) {
        for (const name of names) {
          if (name.startsWith("-")) there.delete(name.slice(1));
          else there.add(name);
        }
        await withAdapter(version, async ({ error }) => {
          for (const name of Object.values(since).flat()) {
            if (name.startsWith("-")) continue;
            // Nothing fits in no bytes; those without an input find no peer.
            const found = await error(name);
            const empty = ["SWAP_KEYS", "START_VPN", "DEL_PEER", "GET_STATS"].includes(name);
            if (!there.has(name)) equal(found, 1, `${name} in ${version}`);
            else if (!empty) ok([122, 22].includes(found), `${name} in ${version}: ${found}`);
          }
        });
      }
    },
  },

  {
    group: "P2P",
    name: "the version device is there from 1.3 and from 2.4 on, for several at once, and knows only GET_VERSION",
    async run() {
      const simulator = new Simulator(0);
      try {
        await quiet(simulator);
        for (const [version, present] of [
          ["1.2.1", false],
          ["1.3.3", true],
          ["2.0.1", false],
          ["2.8.6", true],
        ] as const) {
          await simulator.configure(version);
          let device: Device | undefined;
          try {
            device = Device.open("\\\\.\\ovpn-dco-ver");
          } catch {}
          equal(device !== undefined, present, version);
          if (!device) continue;
          const second = Device.open("\\\\.\\ovpn-dco-ver");
          const { error, bytes } = await second.ioctl(code("GET_VERSION"), undefined, sizeOf("VERSION"));
          equal(error, 0);
          equal(`${bytes.readInt32LE(0)}.${bytes.readInt32LE(4)}.${bytes.readInt32LE(8)}`, version);
          equal((await second.ioctl(code("GET_STATS"), undefined, sizeOf("STATS"))).error, 1);
          second.close();
          device.close();
        }
      } finally {
        simulator.close();
      }
    },
  },

  p2p("a second handle is refused with 5, and does the first no harm", NEW, async ({ error, simulator }) => {
    // Wine opens it, though Windows would not: the simulator answers on it with what opening would have told.
    const second = Device.open(adapterPath(0));
    equal((await second.ioctl(code("GET_VERSION"), undefined, sizeOf("VERSION"))).error, 5);
    equal((await second.write(Buffer.alloc(16))).error, 5);
    equal((await second.read().answer).error, 5);
    second.close();
    equal(await error("GET_VERSION", undefined, sizeOf("VERSION")), 0);
    equal((await simulator.state()).openHandles, 1);
  }),

  p2p("every answer comes after ERROR_IO_PENDING, errors too", NEW, async ({ ask, device }) => {
    ok((await ask("GET_VERSION", undefined, sizeOf("VERSION"))).pended);
    ok((await ask("START_VPN")).pended);
    ok((await device.write(Buffer.alloc(16))).pended);
  }),

  p2p(
    "answers that come at once are possible as well",
    NEW,
    async ({ ask }) => {
      equal((await ask("GET_VERSION", undefined, sizeOf("VERSION"))).pended, false);
      const { error, pended } = await ask("START_VPN");
      deepEqual([error, pended], [1, false]);
    },
    ANSWER_AT_ONCE,
  ),

  p2p("NEW_PEER replaces the peer", "2.4.0", async ({ must, simulator }) => {
    await must("NEW_PEER", newPeer(9));
    const before = (await simulator.state()).local.readUInt16BE(2);
    await must("NEW_PEER", newPeer(10));
    const state = await simulator.state();
    deepEqual([state.peers, state.sockets], [1, 1]);
    equal((await simulator.peer()).remote.readUInt16BE(2), 10);
    notEqual(state.local.readUInt16BE(2), before);
  }),

  p2p("families and protocols that there are not: 1", NEW, async ({ error }) => {
    equal(await error("NEW_PEER", newPeer(9, { Local: Buffer.alloc(28) })), 1);
    equal(await error("NEW_PEER", newPeer(9, { Remote: Uint8Array.of(10, 0) })), 1);
    equal(await error("NEW_PEER", newPeer(9, { Proto: 2 })), 1);
    equal(await error("NEW_PEER", newPeer(9, { Proto: -1 })), 1);
  }),

  p2p("an address in use: 52; IPv6 is taken", NEW, async ({ error, must, simulator }) => {
    await must("NEW_PEER", newPeer(9));
    const port = (await simulator.state()).local.readUInt16BE(2);
    await withAdapter(
      NEW,
      async (other) => {
        equal(await other.error("NEW_PEER", newPeer(9, { Local: ipv4(LOOPBACK, port) })), 52);
        equal((await other.simulator.state()).sockets, 0);
      },
      { adapter: 1 },
    );
    const loopback6 = new Uint8Array(16);
    loopback6[15] = 1;
    equal(await error("NEW_PEER", newPeer(9, { Local: ipv6(loopback6, 0), Remote: ipv6(loopback6, 9) })), 0);
  }),

  p2p("START_VPN connects, DEL_PEER does not disconnect, closing does", NEW, async ({ must, simulator }) => {
    await must("NEW_PEER", newPeer(9));
    equal((await simulator.state()).connected, 0);
    await must("START_VPN");
    equal((await simulator.state()).connected, 1);
    await must("DEL_PEER");
    const { connected, peers, sockets } = await simulator.state();
    deepEqual([connected, peers, sockets], [1, 0, 0]);
  }),

  p2p("SET_PEER leaves what is -1, and cuts the MSS to 16 bits", NEW, async ({ must, simulator }) => {
    const set = (interval: number, timeout: number, mss: number) =>
      must(
        "SET_PEER",
        pack("SET_PEER", { KeepaliveInterval: interval, KeepaliveTimeout: timeout, MSS: mss }),
      );
    await must("NEW_PEER", newPeer(9));
    await set(10, 60, 0x1_0578);
    const first = await simulator.peer();
    deepEqual([first.interval, first.timeout, first.mss], [10, 60, 0x578]);
    await set(-1, -1, -1);
    const second = await simulator.peer();
    deepEqual([second.interval, second.timeout, second.mss], [10, 60, 0x578]);
  }),

  p2p("a timeout of -1 makes it ignore every later one", "2.4.0", async ({ must, simulator }) => {
    const set = (timeout: number) => must("SET_PEER", pack("SET_PEER", { KeepaliveTimeout: timeout }));
    await must("NEW_PEER", newPeer(9));
    await set(-1);
    await set(60);
    equal((await simulator.peer()).timeout, -1);
  }),

  p2p("expiry waits for a read, and is told once", NEW, async ({ device, must }) => {
    await must("NEW_PEER", newPeer(9));
    await must("SET_PEER", pack("SET_PEER", { KeepaliveTimeout: 1 }));
    await sleep(3200);
    const read = device.read();
    equal((await read.answer).error, 64);
    const later = device.read();
    equal(await Promise.race([later.answer.then(() => "ended"), sleep(2500, "pending")]), "pending");
    later.cancel();
    equal((await later.answer).error, 995);
  }),

  p2p("requests of the other mode: 22", NEW, async ({ error }) => {
    equal(await error("MP_START_VPN", pack("MP_START_VPN"), sizeOf("MP_START_VPN")), 22);
    equal(await error("MP_NEW_PEER", pack("MP_NEW_PEER")), 22);
    equal(await error("MP_SET_PEER", pack("MP_SET_PEER")), 22);
  }),

  p2p("longer buffers are taken", OLD, async ({ error }) => {
    equal(await error("NEW_PEER", Buffer.concat([newPeer(9), Buffer.alloc(40)])), 0);
    equal(await error("GET_VERSION", undefined, 100), 0);
  }),

  p2p("requests come byte by byte as they were sent", NEW, async ({ must, simulator }) => {
    const given = newPeer(1194, { Remote: ipv4("192.0.2.1", 1194) });
    await simulator.requests();
    await must("NEW_PEER", given);
    const [request] = await simulator.requests();
    deepEqual([request?.code, request?.inLength, request?.status], [code("NEW_PEER"), 60, 0]);
    deepEqual(request?.bytes, given);
  }),
];
