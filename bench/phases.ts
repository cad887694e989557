/**
 * The C program's phases, through the package's public API.
 */
import { randomFillSync } from "node:crypto";
import type {
  AddPeerOptions,
  BulkResult,
  DcoDriver,
  DcoInterface,
  KeyOptions,
  Transport,
} from "../src/index.ts";
import { type LoopDelay, watched } from "./loop.ts";

const PORT = 1194;

/** A phase: how many requests (or peers, of a dump) in how many seconds, and the loop meanwhile. */
export interface Phase {
  readonly count: number;
  readonly seconds: number;
  readonly loop?: LoopDelay;
}

/** The address number `id` behind a first one. */
function address(first: number, id: number): string {
  const value = first + id;
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
}

/** A peer that differs from the C program's in nothing. */
export function peerOptions(id: number, transport: Transport): AddPeerOptions {
  return {
    id,
    transport,
    remote: { address: address(0x0a000001, id), port: PORT },
    vpn: { ipv4: address(0x0a800001, id) },
  };
}

/** Fresh keys; all that is random is made at once, outside what is timed. */
export function freshKeys(count: number, slot: KeyOptions["slot"], id: number): KeyOptions[] {
  const bytes = randomFillSync(new Uint8Array(80 * count));
  return Array.from({ length: count }, (_, n) => {
    const part = (from: number, to: number) => bytes.subarray(80 * n + from, 80 * n + to);
    const encrypt = { key: part(0, 32), nonceTail: part(32, 40) };
    const decrypt = { key: part(40, 72), nonceTail: part(72, 80) };
    return { slot, id, cipher: "aes-256-gcm", encrypt, decrypt };
  });
}

/** Throws the first failure among the results of a bulk call. */
export function allOk(results: readonly BulkResult<unknown>[]): void {
  for (const result of results) if (!result.ok) throw result.error;
}

/**
 * One round of all phases on an interface of its own.
 *
 * @param times how often what changes nothing for good is done: lists, statistics and single calls
 */
export async function runPhases(
  driver: DcoDriver,
  peers: number,
  singles: number,
  times = 1,
): Promise<Record<string, Phase>> {
  const dco = await driver.createInterface({ mode: "multipeer" });
  try {
    const transport = await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
    await warmCipher(dco, peers, transport);
    const phases: Record<string, Phase> = {};
    const phase = async (name: string, count: number, body: () => Promise<void>) => {
      phases[name] = { count, ...(await watched(body)) };
    };
    const ids = Array.from({ length: peers }, (_, id) => id);
    const options = ids.map((id) => peerOptions(id, transport));
    await phase("add", peers, async () => allOk(await dco.addPeers(options)));

    const keysFor = (keys: readonly KeyOptions[]) => keys.map((key, peer) => ({ peer, key }));
    const primaries = keysFor(freshKeys(peers, "primary", 0));
    const secondaries = keysFor(freshKeys(peers, "secondary", 1));
    await phase("keys", 2 * peers, async () => {
      allOk(await dco.installKeys(primaries));
      allOk(await dco.installKeys(secondaries));
    });
    await phase("swap", peers, async () => allOk(await dco.swapKeysOf(ids)));
    for (let time = 0; time < times; time++) {
      await phase("list", peers, async () => expect(await dco.peers(), peers));
      await phase("statistics", peers, async () => expect(await dco.stats(), peers));
      await runSingles(dco, ids.slice(0, singles), phase, 2 + time);
    }
    await phase("remove", peers, async () => allOk(await dco.removePeers(ids)));
    await phase("single addPeer", singles, async () => {
      for (const each of options.slice(0, singles)) await dco.addPeer(each);
    });
    allOk(await dco.removePeers(ids.slice(0, singles)));
    return phases;
  } finally {
    await dco.close();
  }
}

async function runSingles(
  dco: DcoInterface,
  ids: readonly number[],
  phase: (name: string, count: number, body: () => Promise<void>) => Promise<void>,
  keyId: number,
): Promise<void> {
  const each = (name: string, call: (id: number) => Promise<unknown>) =>
    phase(`single ${name}`, ids.length, async () => {
      for (const id of ids) await call(id);
    });
  const keys = freshKeys(ids.length, "secondary", keyId);
  await each("peer", (id) => dco.peer(id));
  await each("setPeer", (id) =>
    dco.setPeer(id, { remote: { address: address(0x0a000001, id), port: PORT + 1 } }),
  );
  await each("swapKeys", (id) => dco.swapKeys(id));
  await each("keys", (id) => dco.keys(id));
  await each("deleteKey", (id) => dco.deleteKey(id, "secondary"));
  await each("installKey", (id) => dco.installKey(id, keys[id] as KeyOptions));
}

/** With the first key the kernel loads its crypto modules. */
async function warmCipher(dco: DcoInterface, id: number, transport: Transport): Promise<void> {
  await dco.addPeer(peerOptions(id, transport));
  await dco.installKey(id, freshKeys(1, "primary", 0)[0] as KeyOptions);
  await dco.removePeer(id);
}

function expect(items: readonly unknown[], count: number): void {
  if (items.length !== count) throw new Error(`${items.length} peers were told, not ${count}`);
}
