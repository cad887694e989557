/** The table "The real driver's answers": what ovpn-dco-win 2.0.1 was seen to answer, row by row. */
import { deepEqual, equal } from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, type connect, createServer } from "node:net";
import type { Case } from "../case.ts";
import { code, ipv4, keyDirection, pack, sizeOf } from "../layout.ts";
import { LOOPBACK, newKey, newPeer, OLD, type Scene, withAdapter } from "../scene.ts";
import { NO_CHACHA20 } from "../simulator.ts";

const measured = (name: string, run: (scene: Scene) => Promise<void>, flags = 0): Case => ({
  group: "measured with 2.0.1",
  name,
  run: () => withAdapter(OLD, run, { flags }),
});

/** A port of loopback that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export const measuredCases: readonly Case[] = [
  measured("a short buffer: 122", async ({ error }) => {
    const inputs = [
      ["NEW_PEER", "NEW_PEER"],
      ["NEW_KEY", "CRYPTO_DATA"],
      ["SET_PEER", "SET_PEER"],
    ] as const;
    for (const [name, struct] of inputs) {
      equal(await error(name, pack(struct).subarray(1)), 122, name);
      equal(await error(name), 122, `${name} without any`);
    }
    await error("NEW_PEER", newPeer(9));
    for (const [name, struct] of [
      ["GET_STATS", "STATS"],
      ["GET_VERSION", "VERSION"],
    ] as const)
      equal(await error(name, undefined, sizeOf(struct) - 1), 122, name);
  }),

  measured("an unknown control code: 1", async ({ device }) => {
    for (const fn of [0, 20, 0x7ff])
      equal((await device.ioctl(0x220000 | (fn << 2), undefined)).error, 1, `${fn}`);
    // Known to newer versions.
    for (const name of ["SET_MODE", "MP_START_VPN", "NOTIFY_EVENT", "GET_PEER_STATS"])
      equal((await device.ioctl(code(name), Buffer.alloc(64), 256)).error, 1, name);
  }),

  measured("GET_STATS, START_VPN, SWAP_KEYS, SET_PEER without a peer: 1", async ({ error }) => {
    equal(await error("GET_STATS", undefined, sizeOf("STATS")), 1);
    equal(await error("START_VPN"), 1);
    equal(await error("SWAP_KEYS"), 1);
    equal(await error("SET_PEER", pack("SET_PEER")), 1);
  }),

  measured("DEL_PEER without a peer: 0", async ({ error }) => {
    equal(await error("DEL_PEER"), 0);
  }),

  measured("WriteFile without a peer: 22", async ({ device }) => {
    equal((await device.write(Buffer.alloc(16))).error, 22);
  }),

  measured("NEW_PEER twice: 5010", async ({ error, simulator }) => {
    equal(await error("NEW_PEER", newPeer(9)), 0);
    equal(await error("NEW_PEER", newPeer(10)), 5010);
    equal((await simulator.peer()).remote.readUInt16BE(2), 9);
  }),

  measured("NEW_KEY with a bad key length: 1", async ({ error, must }) => {
    await must("NEW_PEER", newPeer(9));
    for (const length of [0, 15, 17, 31, 33, 255]) {
      equal(await error("NEW_KEY", newKey({ Encrypt: keyDirection(1, length) })), 1, `encrypt ${length}`);
      equal(await error("NEW_KEY", newKey({ Decrypt: keyDirection(1, length) })), 1, `decrypt ${length}`);
    }
    equal(await error("NEW_KEY", newKey()), 0);
  }),

  measured(
    "NEW_KEY with ChaCha20-Poly1305 where the system lacks it: 1",
    async ({ error, must }) => {
      await must("NEW_PEER", newPeer(9));
      equal(await error("NEW_KEY", newKey({ CipherAlg: 2 })), 1);
    },
    NO_CHACHA20,
  ),

  measured("keepalive timeout, on the pended read: 64", async ({ device, must }) => {
    await must("NEW_PEER", newPeer(9));
    const reads = [device.read(), device.read()];
    await must("SET_PEER", pack("SET_PEER", { KeepaliveInterval: 0, KeepaliveTimeout: 1 }));
    equal((await reads[0]?.answer)?.error, 64);
    // One read only, and the peer is there still.
    equal((await device.write(Buffer.alloc(16))).error, 0);
    await must("DEL_PEER");
    equal((await reads[1]?.answer)?.error, 995);
  }),

  measured("DEL_PEER, on the pended read: 995", async ({ device, must }) => {
    await must("NEW_PEER", newPeer(9));
    const reads = [device.read(), device.read(), device.read()];
    await must("DEL_PEER");
    deepEqual(await Promise.all(reads.map(async ({ answer }) => (await answer).error)), [995, 995, 995]);
  }),

  measured("TCP closed by the other side, on the pended read: 1236", async ({ device, must }) => {
    const server = createServer().listen(0, LOOPBACK);
    try {
      await once(server, "listening");
      const accepted = once(server, "connection");
      const { port } = server.address() as AddressInfo;
      await must("NEW_PEER", newPeer(port, { Proto: 1 }));
      const read = device.read();
      const [socket] = (await accepted) as [ReturnType<typeof connect>];
      socket.destroy();
      equal((await read.answer).error, 1236);
    } finally {
      server.close();
    }
  }),

  measured("TCP refused: 1225", async ({ error }) => {
    const remote = ipv4(LOOPBACK, await freePort());
    equal(
      await error("NEW_PEER", pack("NEW_PEER", { Local: ipv4(LOOPBACK, 0), Remote: remote, Proto: 1 })),
      1225,
    );
  }),
];
