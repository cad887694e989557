/**
 * The userspace backend: what is left of node:crypto's and node:dgram's own speed. One thread; 1,400-byte packets.
 *
 * `node bench/userspace.ts` prints its rows alone; it needs no kernel and no privilege.
 */
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CoreDriver } from "../src/core/driver.ts";
import { CIPHERS, type CipherName } from "../src/core/model.ts";
import { testKeys } from "../src/testing/index.ts";
import { UserspaceBackend } from "../src/userspace/backend.ts";
import { SYSTEM_CLOCK } from "../src/userspace/clock.ts";
import { DataKey } from "../src/userspace/data/data-key.ts";
import { DataPlane } from "../src/userspace/data/data-plane.ts";
import type { DataSocket } from "../src/userspace/data/data-socket.ts";
import { OVERHEAD } from "../src/userspace/data/packet.ts";
import type { UserspaceDriver } from "../src/userspace/index.ts";
import type { DatagramSockets } from "../src/userspace/udp-transport.ts";
import { median, type Row, table } from "./rows.ts";

const PACKET_BYTES = 1400;
const ROUNDS = 5;
/** Packets of one round without sockets. */
const CRYPTO_PACKETS = 10_000;
/** Packets of one round whose processor time is told. */
const LAYER_PACKETS = 20_000;
/** Packets of one round through sockets, so many under way at a time that no buffer overflows. */
const SOCKET_PACKETS = 20_000;
const UNDER_WAY = 32;

const AUTH_TAG = { authTagLength: 16 } as const;

/** Packets a second, if one core had nothing else to do: what other processes take does not count. */
function rate(packets: number, since: NodeJS.CpuUsage): number {
  return 1e6 / cpuOf(packets, since);
}

function row(name: string, value: number[], reference: number[], against: string, least: number): Row {
  const [ours, theirs] = [median(value), median(reference)];
  const ratio = ours / theirs;
  return {
    name: `userspace, ${name}`,
    unit: "packets/s of a core",
    value: ours,
    reference: theirs,
    ratio,
    against,
    target: `at least ${least} of it`,
    met: ratio >= least,
    rounds: { value, reference },
  };
}

function keys(cipher: CipherName) {
  const [one, other] = testKeys(`bench ${process.hrtime.bigint()}`, { cipher });
  const request = ({ encrypt, decrypt }: typeof one) => ({
    slot: "primary" as const,
    id: 0,
    cipher,
    encryptKey: encrypt.key,
    encryptNonceTail: encrypt.nonceTail,
    decryptKey: decrypt.key,
    decryptNonceTail: decrypt.nonceTail,
  });
  return { one: request(one), other: request(other) };
}

/** Sealing and opening, beside the same by node:crypto alone. */
function cipherRows(cipher: CipherName): Row[] {
  const payload = Buffer.alloc(PACKET_BYTES, 0x45);
  const algorithm = cipher as CipherGCMTypes;
  const results = {
    seal: [] as number[],
    bareSeal: [] as number[],
    open: [] as number[],
    bareOpen: [] as number[],
  };
  for (let round = 0; round < ROUNDS; round++) {
    const { one, other } = keys(cipher);
    const secret = createSecretKey(one.encryptKey);
    const nonce = Buffer.alloc(12);
    nonce.set(one.encryptNonceTail, 4);

    const sender = new DataKey(one);
    let start = process.cpuUsage();
    for (let n = 0; n < CRYPTO_PACKETS; n++) sender.seal(payload, 1, 0);
    results.seal.push(rate(CRYPTO_PACKETS, start));

    // Kept for both that open them, and not while they are measured: what is kept costs the garbage collector's time.
    const packets = Array.from({ length: CRYPTO_PACKETS }, () => sender.seal(payload, 1, 0) as Buffer);
    const receiver = new DataKey(other);
    start = process.cpuUsage();
    for (const packet of packets)
      if (typeof receiver.open(packet, 0) === "string") throw new Error("not opened");
    results.open.push(rate(CRYPTO_PACKETS, start));

    const aad = Buffer.alloc(8);
    start = process.cpuUsage();
    for (let n = 0; n < CRYPTO_PACKETS; n++) {
      nonce.writeUInt32BE(n);
      const bare = createCipheriv(algorithm, secret, nonce, AUTH_TAG);
      bare.setAAD(aad);
      bare.update(payload);
      bare.final();
      bare.getAuthTag();
    }
    results.bareSeal.push(rate(CRYPTO_PACKETS, start));

    start = process.cpuUsage();
    for (const packet of packets) {
      packet.copy(nonce, 0, 4, 8);
      const bare = createDecipheriv(algorithm, secret, nonce, AUTH_TAG);
      bare.setAAD(packet.subarray(0, 8));
      bare.setAuthTag(packet.subarray(8, OVERHEAD));
      bare.update(packet.subarray(OVERHEAD));
      bare.final();
    }
    results.bareOpen.push(rate(CRYPTO_PACKETS, start));
  }
  return [
    row(`seal ${cipher}`, results.seal, results.bareSeal, "node:crypto", 0.4),
    row(`open ${cipher}`, results.open, results.bareOpen, "node:crypto", 0.4),
  ];
}

/** Packets a second, and microseconds of processor time that one takes. */
interface Speed {
  readonly perSecond: number;
  readonly cpu: number;
}

/** Keeps so many packets under way until all have arrived. */
async function pump(send: () => void, onArrival: (arrived: () => void) => () => void): Promise<Speed> {
  let [sent, arrived] = [0, 0];
  const cpu = process.cpuUsage();
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    const lost = setTimeout(() => reject(new Error(`${sent - arrived} packets were lost`)), 60_000);
    const stop = onArrival(() => {
      if (++arrived === SOCKET_PACKETS) {
        clearTimeout(lost);
        stop();
        resolve();
      } else if (sent < SOCKET_PACKETS) {
        sent++;
        send();
      }
    });
    for (; sent < UNDER_WAY; sent++) send();
  });
  const perSecond = (SOCKET_PACKETS * 1000) / (performance.now() - start);
  return { perSecond, cpu: cpuOf(SOCKET_PACKETS, cpu) };
}

/** Microseconds of processor time for each packet. */
function cpuOf(packets: number, since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / packets;
}

/** As many bytes through two loopback sockets by node:dgram alone. */
async function bareSockets(): Promise<Speed> {
  const [from, to] = [createSocket("udp4"), createSocket("udp4")];
  to.bind(0, "127.0.0.1");
  await once(to, "listening");
  const { port } = to.address();
  const packet = Buffer.alloc(PACKET_BYTES + OVERHEAD);
  const result = await pump(
    () => from.send(packet, port, "127.0.0.1"),
    (arrived) => {
      to.on("message", arrived);
      return () => to.off("message", arrived);
    },
  );
  from.close();
  to.close();
  return result;
}

/** From one interface's stream to another's: sealed, sent, received, opened. */
async function tunnelled(driver: UserspaceDriver, cipher: CipherName): Promise<Speed> {
  const ends = [];
  for (let n = 0; n < 2; n++) {
    const dco = await driver.createInterface({ mode: "p2p" });
    await dco.configure({ up: true, mtu: PACKET_BYTES });
    ends.push({ dco, transport: await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" }) });
  }
  const [from, to] = ends as [(typeof ends)[0], (typeof ends)[0]];
  const pair = testKeys(`bench ${process.hrtime.bigint()}`, { cipher });
  for (const [at, { dco, transport }] of ends.entries()) {
    await dco.addPeer({ id: 1, transport, remote: ends[1 - at]?.transport.local as never });
    await dco.installKey(1, pair[at] as (typeof pair)[0]);
  }
  const packet = Buffer.alloc(PACKET_BYTES);
  packet[0] = 0x45;
  const result = await pump(
    () => from.dco.extras.packets.write(packet),
    (arrived) => {
      to.dco.extras.packets.on("data", arrived);
      return () => to.dco.extras.packets.off("data", arrived);
    },
  );
  for (const { dco } of ends) await dco.close();
  return result;
}

const LOOPBACK = {
  text: "127.0.0.1",
  family: 4,
  bytes: Uint8Array.of(127, 0, 0, 1),
  port: 1194,
  scopeId: 0,
} as const;
const NOTHING = {
  local: undefined,
  vpn4: undefined,
  vpn6: undefined,
  routes: undefined,
  keepalive: undefined,
  txId: undefined,
};

/** Without sockets and streams: one data plane hands its packets to another. */
function handedOver(cipher: CipherName): number {
  const { one, other } = keys(cipher);
  let delivered = 0;
  const parts = { mode: "p2p", clock: SYSTEM_CLOCK, firstPacketId: 1, tell: () => {} } as const;
  const planes = [one, other].map((key) => {
    const plane = new DataPlane({
      ...parts,
      deliver() {
        delivered++;
        return true;
      },
    });
    return { plane, key };
  });
  const [from, to] = planes.map(({ plane }) => plane) as [DataPlane, DataPlane];
  const { text: address, port } = LOOPBACK;
  const remote = { endpoint: { address, port }, address, port };
  for (const { plane, key } of planes) {
    const socket: DataSocket = {
      local: remote.endpoint,
      room: 0,
      peers: new Set(),
      connected: false,
      sendData(packet) {
        to.receive(packet, socket, address, port);
        return true;
      },
      destination: () => remote,
      sender: () => remote,
    };
    plane.addPeer({ ...NOTHING, id: 1, replace: false, remote: LOOPBACK }, socket);
    plane.installKey(1, key);
  }
  const packet = Buffer.alloc(PACKET_BYTES);
  packet[0] = 0x45;
  const start = process.cpuUsage();
  for (let n = 0; n < LAYER_PACKETS; n++) from.transmit(packet);
  const cpu = cpuOf(LAYER_PACKETS, start);
  if (delivered !== LAYER_PACKETS) throw new Error(`${delivered} of ${LAYER_PACKETS} packets arrived`);
  return cpu;
}

/** Sealing and opening alone. */
function sealedAndOpened(cipher: CipherName): number {
  const { one, other } = keys(cipher);
  const [sender, receiver] = [new DataKey(one), new DataKey(other)];
  const packet = Buffer.alloc(PACKET_BYTES, 0x45);
  const start = process.cpuUsage();
  for (let n = 0; n < LAYER_PACKETS; n++) receiver.open(sender.seal(packet, 1, 0) as Buffer, 0);
  return cpuOf(LAYER_PACKETS, start);
}

function costRow(name: string, value: number[], reference: number[], against: string): Row {
  const [ours, theirs] = [median(value), median(reference)];
  return {
    name: `userspace, processor time, ${name}`,
    unit: "µs/packet",
    value: ours,
    reference: theirs,
    ratio: ours / theirs,
    against,
    rounds: { value, reference },
  };
}

/** The cipher that the layers are told for. */
const LAYERS_OF: CipherName = "aes-256-gcm";

async function socketRows(): Promise<Row[]> {
  const open = (sockets: DatagramSockets) =>
    new CoreDriver(new UserspaceBackend({ sockets })) as unknown as UserspaceDriver;
  const [driver, byNode] = [open("best"), open("node")];
  const bare: Speed[] = [];
  const ours = new Map<CipherName, Speed[]>(CIPHERS.map((cipher) => [cipher, []]));
  const node: Speed[] = [];
  const layers = { ciphers: [] as number[], planes: [] as number[] };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      bare.push(await bareSockets());
      for (const [cipher, speeds] of ours) speeds.push(await tunnelled(driver, cipher));
      node.push(await tunnelled(byNode, LAYERS_OF));
      layers.ciphers.push(sealedAndOpened(LAYERS_OF));
      layers.planes.push(handedOver(LAYERS_OF));
    }
  } finally {
    await driver.close();
    await byNode.close();
  }
  const costs = (speeds: readonly Speed[] | undefined) => (speeds ?? []).map(({ cpu }) => cpu);
  const rates = (speeds: readonly Speed[]) => speeds.map(({ cpu }) => 1e6 / cpu);
  const byTheClock = (speeds: readonly Speed[] | undefined) =>
    (speeds ?? []).map(({ perSecond }) => perSecond);
  const all = costs(ours.get(LAYERS_OF));
  const whole = `all of it, ${LAYERS_OF}`;
  return [
    ...[...ours].map(([cipher, speeds]) =>
      row(`through sockets ${cipher}`, rates(speeds), rates(bare), "node:dgram", 0.5),
    ),
    {
      ...row("by the clock", byTheClock(ours.get(LAYERS_OF)), byTheClock(bare), "node:dgram", 0.5),
      name: `userspace, through sockets ${LAYERS_OF}, by the clock`,
      unit: "packets/s",
    },
    costRow("all of it", all, costs(bare), "node:dgram"),
    costRow("all of it, Node's sockets", costs(node), costs(bare), "node:dgram"),
    costRow("seal and open", layers.ciphers, all, whole),
    costRow("data planes", minus(layers.planes, layers.ciphers), all, whole),
    costRow("sockets and streams", minus(all, layers.planes), all, whole),
    costRow("sockets and streams, Node's sockets", minus(costs(node), layers.planes), costs(node), whole),
  ];
}

/** Of each round, and nothing below 0: what is so little is lost in what varies. */
function minus(more: readonly number[], less: readonly number[]): number[] {
  return more.map((value, round) => Math.max(0, value - (less[round] as number)));
}

export async function userspaceRows(): Promise<Row[]> {
  return [...CIPHERS.flatMap(cipherRows), ...(await socketRows())];
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  console.log(table(await userspaceRows()));
}
