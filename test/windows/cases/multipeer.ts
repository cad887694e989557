/** The multi-peer mode. */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import type { Case } from "../case.ts";
import { code, ipv4, ipv6, pack, portOf, read, sizeOf } from "../layout.ts";
import {
  CONTROL_PACKET,
  LOOPBACK,
  mpNewPeer,
  NEW,
  Other,
  type Scene,
  startServer,
  withAdapter,
} from "../scene.ts";

const EVENT_SIZE = sizeOf("NOTIFY_EVENT");

const mp = (name: string, run: (scene: Scene) => Promise<void>, version = NEW): Case => ({
  group: `multi-peer, ${version}`,
  name,
  run: () => withAdapter(version, run),
});

const eventOf = (bytes: Buffer) =>
  ["Cmd", "PeerId", "DelPeerReason"].map((key) => read(bytes, "NOTIFY_EVENT", key));

const route = (address: number[], bits: number, peer: number) =>
  pack("MP_IROUTE", { "Addr.Addr4": Uint8Array.from(address), Netbits: bits, PeerId: peer });

export const multipeerCases: readonly Case[] = [
  mp("SET_MODE: other values 87, twice 1247, back 1247", async ({ error }) => {
    const set = (mode: number) => error("SET_MODE", pack("SET_MODE", { Mode: mode }));
    deepEqual([await set(2), await set(-1), await set(0), await set(0), await set(1)], [87, 87, 0, 0, 0]);
    deepEqual([await set(1), await set(0)], [1247, 1247]);
  }),

  mp("requests of the other mode: 22", async (scene) => {
    await startServer(scene);
    for (const name of ["NEW_PEER", "SET_PEER", "START_VPN", "DEL_PEER", "SWAP_KEYS"])
      equal(await scene.error(name, Buffer.alloc(64)), 22, name);
  }),

  mp("MP_START_VPN tells the port, and is refused twice: 1247", async (scene) => {
    const port = await startServer(scene);
    notEqual(port, 0);
    const { connected, local } = await scene.simulator.state();
    deepEqual([connected, portOf(local)], [1, port]);
    const again = pack("MP_START_VPN", { ListenAddress: ipv4(LOOPBACK, 0) });
    equal(await scene.error("MP_START_VPN", again, sizeOf("MP_START_VPN")), 1247);
  }),

  mp(
    "MP_START_VPN with too short an answer: 122, with the socket open",
    async ({ error, must, simulator }) => {
      await must("SET_MODE", pack("SET_MODE", { Mode: 1 }));
      const given = pack("MP_START_VPN", { ListenAddress: ipv4(LOOPBACK, 0) });
      equal(await error("MP_START_VPN", given, sizeOf("MP_START_VPN") - 1), 122);
      equal((await simulator.state()).sockets, 1);
      equal(await error("MP_START_VPN", given, sizeOf("MP_START_VPN")), 1247);
    },
  ),

  mp("one IPv6 socket takes IPv4 as well", async ({ device, must }) => {
    await must("SET_MODE", pack("SET_MODE", { Mode: 1 }));
    const given = pack("MP_START_VPN", { ListenAddress: ipv6(new Uint8Array(16), 0), IPv6Only: 0 });
    const answer = await must("MP_START_VPN", given, sizeOf("MP_START_VPN"));
    const other = await Other.open();
    try {
      const read = device.read();
      other.send(CONTROL_PACKET, portOf(answer));
      const { bytes } = await read.answer;
      const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1);
      deepEqual(bytes.subarray(0, 24), ipv6(mapped, other.port).subarray(0, 24));
      deepEqual(bytes.subarray(28), CONTROL_PACKET);
    } finally {
      other.close();
    }
  }),

  mp(
    "the answer has 28 bytes in 2.4.0",
    async ({ must }) => {
      await must("SET_MODE", pack("SET_MODE", { Mode: 1 }));
      const given = pack("MP_START_VPN", { ListenAddress: ipv4(LOOPBACK, 0) });
      equal((await must("MP_START_VPN", given, sizeOf("MP_START_VPN"))).length, 28);
    },
    "2.4.0",
  ),

  mp("MP_NEW_PEER: the same id 5010, a bad family 1, an address that another has 8", async (scene) => {
    const { error, must, simulator } = scene;
    await startServer(scene);
    await must("MP_NEW_PEER", mpNewPeer(1));
    equal(await error("MP_NEW_PEER", mpNewPeer(1)), 5010);
    equal(await error("MP_NEW_PEER", mpNewPeer(2, { Remote: Buffer.alloc(28) })), 1);
    equal(await error("MP_NEW_PEER", mpNewPeer(2, { Local: Buffer.alloc(28) })), 1);
    equal(await error("MP_NEW_PEER", mpNewPeer(2, { VpnAddr4: Uint8Array.of(10, 8, 0, 1) })), 8);
    equal(await error("MP_NEW_PEER", mpNewPeer(2, { Remote: ipv4(LOOPBACK, 40_001) })), 8);
    equal((await simulator.state()).peers, 1);
    const peer = await simulator.peer(1);
    deepEqual([...peer.vpn4], [10, 8, 0, 1]);
    deepEqual(peer.remote.subarray(0, 16), ipv4(LOOPBACK, 40_001));
  }),

  mp("MP_SET_PEER and MP_DEL_PEER of nobody: 1 and 1168", async (scene) => {
    const { error, must, simulator } = scene;
    await startServer(scene);
    await must("MP_NEW_PEER", mpNewPeer(7));
    const settings = { KeepaliveInterval: 10, KeepaliveTimeout: 60, MSS: 1400 };
    equal(await error("MP_SET_PEER", pack("MP_SET_PEER", { PeerId: 8, ...settings })), 1);
    equal(await error("MP_SET_PEER", pack("MP_SET_PEER", { PeerId: 7, ...settings })), 0);
    const { interval, timeout, mss } = await simulator.peer(7);
    deepEqual([interval, timeout, mss], [10, 60, 1400]);
    equal(await error("MP_DEL_PEER", pack("MP_DEL_PEER", { PeerId: 8 })), 1168);
    equal(await error("MP_DEL_PEER", pack("MP_DEL_PEER", { PeerId: 7 })), 0);
    equal(await error("MP_DEL_PEER", pack("MP_DEL_PEER", { PeerId: 7 })), 1168);
  }),

  mp("deletion is told to the request that waits, or kept for the next", async (scene) => {
    const { device, must, simulator } = scene;
    await startServer(scene);
    for (const id of [1, 2]) await must("MP_NEW_PEER", mpNewPeer(id));
    const waiting = device.startIoctl(code("NOTIFY_EVENT"), undefined, EVENT_SIZE);
    await must("MP_DEL_PEER", pack("MP_DEL_PEER", { PeerId: 1 }));
    deepEqual(eventOf((await waiting.answer).bytes), [0, 1, 1]);
    await must("MP_DEL_PEER", pack("MP_DEL_PEER", { PeerId: 2 }));
    equal((await simulator.state()).queuedEvents, 1);
    const kept = await must("NOTIFY_EVENT", undefined, EVENT_SIZE);
    deepEqual([kept.length, ...eventOf(kept)], [EVENT_SIZE, 0, 2, 1]);
  }),

  mp("too short an answer loses the event: 122", async (scene) => {
    await startServer(scene);
    await scene.must("MP_NEW_PEER", mpNewPeer(1));
    await scene.must("MP_DEL_PEER", pack("MP_DEL_PEER", { PeerId: 1 }));
    equal(await scene.error("NOTIFY_EVENT", undefined, EVENT_SIZE - 1), 122);
    equal((await scene.simulator.state()).queuedEvents, 0);
  }),

  mp(
    "an event has 12 bytes before 2.6",
    async (scene) => {
      await startServer(scene);
      await scene.must("MP_NEW_PEER", mpNewPeer(1));
      await scene.must("MP_DEL_PEER", pack("MP_DEL_PEER", { PeerId: 1 }));
      equal((await scene.must("NOTIFY_EVENT", undefined, EVENT_SIZE)).length, 12);
    },
    "2.5.9",
  ),

  mp("a peer that expires is gone, and its end is told", async (scene) => {
    const { device, must, simulator } = scene;
    await startServer(scene);
    for (const id of [3, 4]) await must("MP_NEW_PEER", mpNewPeer(id));
    const waiting = device.startIoctl(code("NOTIFY_EVENT"), undefined, EVENT_SIZE);
    await must("MP_SET_PEER", pack("MP_SET_PEER", { PeerId: 4, KeepaliveTimeout: 1 }));
    deepEqual(eventOf((await waiting.answer).bytes), [0, 4, 2]);
    equal((await simulator.state()).peers, 1);
  }),

  mp("a float, as a test makes it, comes with its address", async (scene) => {
    const { device, simulator } = scene;
    await startServer(scene);
    const waiting = device.startIoctl(code("NOTIFY_EVENT"), undefined, EVENT_SIZE);
    const address = ipv4("198.51.100.7", 40_000);
    await simulator.emit(pack("NOTIFY_EVENT", { Cmd: 2, PeerId: 9, FloatAddress: address }));
    const { bytes } = await waiting.answer;
    deepEqual(eventOf(bytes).slice(0, 2), [2, 9]);
    deepEqual(bytes.subarray(16, 32), address);
  }),

  mp("routes: bad lengths 87, an absent one is no error, the peer takes its own along", async (scene) => {
    const { error, must, simulator } = scene;
    await startServer(scene);
    for (const id of [1, 2]) await must("MP_NEW_PEER", mpNewPeer(id));
    for (const bits of [-1, 33]) equal(await error("MP_ADD_IROUTE", route([10, 0, 0, 0], bits, 1)), 87);
    equal(await error("MP_ADD_IROUTE", pack("MP_IROUTE", { Netbits: 129, PeerId: 1, IPv6: 1 })), 87);
    equal(await error("MP_ADD_IROUTE", route([10, 0, 0, 0], 8, 9)), 2);
    await must("MP_ADD_IROUTE", route([10, 0, 0, 0], 8, 1));
    await must("MP_ADD_IROUTE", route([10, 0, 0, 0], 8, 2));
    await must("MP_ADD_IROUTE", route([192, 168, 5, 0], 24, 1));
    equal((await simulator.state()).routes, 2);
    equal(await error("MP_DEL_IROUTE", route([172, 16, 0, 0], 12, -1)), 0);
    await must("MP_DEL_PEER", pack("MP_DEL_PEER", { PeerId: 1 }));
    equal((await simulator.state()).routes, 1);
    await must("MP_DEL_IROUTE", route([10, 0, 0, 0], 8, -1));
    equal((await simulator.state()).routes, 0);
  }),

  mp("closing ends everything, and the next handle begins in P2P mode", async (scene) => {
    await startServer(scene);
    await scene.must("MP_NEW_PEER", mpNewPeer(1));
    const pending = [
      scene.device.read(),
      scene.device.startIoctl(code("NOTIFY_EVENT"), undefined, EVENT_SIZE),
    ];
    scene.device.cancelAll();
    for (const { answer } of pending) equal((await answer).error, 995);
  }),
];
