/**
 * Key bytes: where they must not be found.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { inspect } from "node:util";
import type { KeyOptions } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { freshKey } from "../keys.ts";
import { Child } from "../linux/child.ts";
import { countInMemory } from "../linux/memory.ts";
import { LINUX_ONLY } from "../linux/raw.ts";
import { openEnd } from "../tunnel.ts";
import type { World } from "../world.ts";

const NOWHERE = "192.0.2.99:1194";
const CHANNELS = ["dcokit:request", "dcokit:event", "dcokit:error", "dcokit:wire"];

/** Bytes of a key of which a reader could make use; shorter runs are found by chance. */
const PIECE = 6;

/** Everything that a program could print of a value. */
function printed(value: unknown): string {
  const json = JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${each}` : each)) ?? "";
  return [
    inspect(value, { depth: 12, showHidden: true, maxArrayLength: null, maxStringLength: null }),
    json,
    value instanceof Error ? `${value.stack}` : "",
  ].join("\n");
}

/** The ways in which bytes are written. */
function writings(bytes: Uint8Array): RegExp[] {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
  return [
    new RegExp(hex.join("[\\s:,]*(?:0x)?"), "i"),
    new RegExp(`(?<!\\d)${[...bytes].join("\\D{1,9}")}(?!\\d)`),
    new RegExp(
      Buffer.from(bytes).toString("base64").replace(/=+$/, "").slice(0, -1).replace(/[+/]/g, "\\$&"),
    ),
  ];
}

/** What of the keys' bytes is in the text. */
function findKeys(text: string, keys: readonly KeyOptions[]): string[] {
  const found: string[] = [];
  for (const [at, { encrypt, decrypt }] of keys.entries()) {
    for (const [name, bytes] of Object.entries({
      "encrypt.key": encrypt.key,
      "encrypt.nonceTail": encrypt.nonceTail,
      "decrypt.key": decrypt.key,
      "decrypt.nonceTail": decrypt.nonceTail,
    })) {
      for (let from = 0; from + PIECE <= bytes.length; from += PIECE) {
        const piece = bytes.subarray(from, from + PIECE);
        if (writings(piece).some((writing) => writing.test(text))) found.push(`key ${at}, ${name}[${from}]`);
      }
    }
  }
  return found;
}

export const secretCases = group("secrets", [
  {
    name: "key bytes are in no diagnostics channel, error, result or object, whatever becomes of the call",
    async run(world) {
      const seen: unknown[] = [];
      // At once: what a message holds may be zeroed later.
      const take = (message: unknown) => seen.push(printed(message));
      for (const name of CHANNELS) subscribe(name, take);
      try {
        const keys = await useKeys(world, seen);
        const text = seen.map(printed).join("\n");
        assert.ok(/installKey/.test(text) && text.length > 1000, "the channels told of it");
        assert.deepEqual(findKeys(text, keys), []);
        // That the search finds what is there.
        const one = keys[0] as KeyOptions;
        for (const leak of [
          printed(one),
          Buffer.from(one.encrypt.key).toString("hex"),
          printed([...one.encrypt.key]),
        ]) {
          assert.notDeepEqual(findKeys(leak, keys), [], leak);
        }
      } finally {
        for (const name of CHANNELS) unsubscribe(name, take);
      }
    },
  },
  {
    ...LINUX_ONLY,
    name: "a key that was wiped is nowhere in the process's memory",
    async run(world) {
      for (const wipe of [false, true]) {
        const [masked, mask] = [randomBytes(32), randomBytes(32)];
        const order = {
          wipe,
          address: world.server.ipv4,
          masked: masked.toString("hex"),
          mask: mask.toString("hex"),
        };
        const child = new Child(world, world.server, "wipe", order);
        await child.told("installed");
        const key = masked.map((byte, at) => byte ^ (mask[at] as number));
        const found = countInMemory(child.pid, key);
        if (wipe) assert.equal(found, 0, `found ${found} times`);
        else assert.ok(found > 0, "the search finds what is there");
        child.kill();
        await child.ended;
        await world.driver.cleanUp(world.server.extras);
      }
    },
  },
]);

/** Puts keys through every verb that takes them, also where they are refused; the keys. */
async function useKeys(world: World, seen: unknown[]): Promise<KeyOptions[]> {
  const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
  const { dco, transport } = end;
  const keys: KeyOptions[] = [];
  const fresh = (...args: Parameters<typeof freshKey>) => {
    const key = freshKey(...args);
    keys.push(key);
    return key;
  };
  const outcome = async (call: Promise<unknown>) => {
    seen.push(await call.catch((error: unknown) => error));
  };
  await outcome(dco.addPeer({ id: 1, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.9" } }));
  const first = fresh(0);
  await outcome(dco.installKey(1, first));
  await outcome(dco.installKey(1, { ...first, id: 1 }));
  await outcome(dco.installKey(1, { ...fresh(1), cipher: "aes-128-gcm" }));
  await outcome(dco.installKey(1, { ...fresh(1), cipher: fresh(1).encrypt as never }));
  await outcome(dco.installKey(1, { ...fresh(1), id: fresh(1).encrypt.key as never }));
  await outcome(dco.installKey(1, { ...fresh(1), slot: fresh(1) as never }));
  await outcome(dco.installKey(fresh(1) as never, fresh(1)));
  await outcome(dco.installKey(9, fresh(1)));
  await outcome(dco.installKey(1, fresh(1, "secondary"), { signal: AbortSignal.abort() }));
  await outcome(dco.installKey(1, { ...fresh(1), ...fresh(1).encrypt.key } as never));
  await outcome(
    dco.installKeys([
      { peer: 1, key: fresh(2, "secondary") },
      { peer: 9, key: fresh(2) },
      { peer: fresh(3).encrypt.key as never, key: fresh(3) },
    ]),
  );
  await outcome(dco.keys(1));
  await outcome(dco.peers());
  await outcome(dco.swapKeys(1));
  seen.push(dco, transport, world.driver, end.events);
  await dco.close();
  await outcome(dco.installKey(1, fresh(4)));
  return keys;
}
