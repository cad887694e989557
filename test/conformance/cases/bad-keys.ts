/**
 * Bad input of the key verbs: refused with the field's name, before the kernel is asked.
 */
import { randomBytes } from "node:crypto";
import type { DcoInterface } from "../../../src/core/contract.ts";
import { CIPHER_KEY_BYTES, type KeyOptions } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { freshDirection, freshKey } from "../keys.ts";
import { assertNoEffect, firstItem, type Refusal } from "../refused.ts";
import { openEnd } from "../tunnel.ts";
import type { World } from "../world.ts";

/** An interface with one peer, which has a key with id 0 in its primary slot. */
async function openPeer(world: World) {
  const { dco, transport } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
  await dco.addPeer({ id: 1, transport, remote: "192.0.2.99:1194", vpn: { ipv4: "10.8.0.9" } });
  const key = freshKey();
  await dco.installKey(1, key);
  return { dco, key };
}

/** The same row by `installKey` and by `installKeys`. */
function both(dco: DcoInterface, what: string, key: unknown, field: string): Refusal[] {
  const bad = key as KeyOptions;
  return [
    { what: `installKey with ${what}`, field, call: () => dco.installKey(1, bad) },
    {
      what: `installKeys with ${what}`,
      field: `keys[0].key.${field}`,
      call: () => firstItem(dco.installKeys([{ peer: 1, key: bad }])),
    },
  ];
}

const DIRECTIONS = ["encrypt", "decrypt"] as const;

/** Lengths around and of all ciphers, and none at all. */
const LENGTHS = [0, 1, 15, 16, 17, 24, 31, 32, 33, 64];

export const badKeyCases = group("bad input", [
  {
    name: "a key whose length is not its cipher's is invalid, for every cipher and both directions",
    async run(world) {
      const { dco } = await openPeer(world);
      const refusals = world.capabilities.ciphers.flatMap((cipher) =>
        LENGTHS.filter((length) => length !== CIPHER_KEY_BYTES[cipher]).flatMap((length) =>
          DIRECTIONS.flatMap((direction) => {
            const key = freshKey(1, "secondary", cipher);
            const bad = { ...key, [direction]: { ...key[direction], key: randomBytes(length) } };
            return both(dco, `${length} bytes for ${cipher}`, bad, `${direction}.key`);
          }),
        ),
      );
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "a nonce tail that is not 8 bytes is invalid, for both directions",
    async run(world) {
      const { dco } = await openPeer(world);
      const refusals = [0, 4, 7, 9, 12, 16].flatMap((length) =>
        DIRECTIONS.flatMap((direction) => {
          const key = freshKey(1, "secondary");
          const bad = { ...key, [direction]: { ...key[direction], nonceTail: randomBytes(length) } };
          return both(dco, `a nonce tail of ${length} bytes`, bad, `${direction}.nonceTail`);
        }),
      );
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "a key id over 7 and other bad fields of a key are invalid",
    async run(world) {
      const { dco } = await openPeer(world);
      const good = freshKey(1, "secondary");
      const { encrypt } = good;
      const shared = new Uint8Array(new SharedArrayBuffer(32));
      const ids = [8, -1, 0.5, Number.NaN, 2 ** 32, "1", null, undefined];
      const changes: readonly [what: string, change: object, field: string][] = [
        ...ids.map((id) => [`id ${String(id)}`, { id }, "id"] as [string, object, string]),
        ["slot tertiary", { slot: "tertiary" }, "slot"],
        ["slot 0", { slot: 0 }, "slot"],
        ["no slot", { slot: undefined }, "slot"],
        ["another cipher", { cipher: "aes-256-cbc" }, "cipher"],
        ["a cipher in capitals", { cipher: "AES-256-GCM" }, "cipher"],
        ["no cipher", { cipher: undefined }, "cipher"],
        ["no encrypt", { encrypt: undefined }, "encrypt"],
        ["no decrypt", { decrypt: undefined }, "decrypt"],
        ["bytes as encrypt", { encrypt: randomBytes(32) }, "encrypt"],
        ["no key", { encrypt: { nonceTail: encrypt.nonceTail } }, "encrypt.key"],
        ["no nonce tail", { decrypt: { key: encrypt.key } }, "decrypt.nonceTail"],
        ["a key as text", { encrypt: { ...encrypt, key: "k".repeat(32) } }, "encrypt.key"],
        ["a key as an array", { encrypt: { ...encrypt, key: [...encrypt.key] } }, "encrypt.key"],
        ["a key as an ArrayBuffer", { encrypt: { ...encrypt, key: new ArrayBuffer(32) } }, "encrypt.key"],
        ["a key of 16-bit numbers", { encrypt: { ...encrypt, key: new Uint16Array(16) } }, "encrypt.key"],
        ["a key in shared memory", { encrypt: { ...encrypt, key: shared } }, "encrypt.key"],
        ["one key for both directions", { decrypt: encrypt }, "decrypt"],
        ["wipe as text", { wipe: "yes" }, "wipe"],
        ["the key id of the other slot", { id: 0 }, "id"],
      ];
      const refusals = changes
        // What the peer's slots say has no path of a bulk call's item.
        .flatMap(([what, change, field]) => both(dco, what, { ...good, ...change }, field));
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "bad slots of deleteKey are invalid",
    needs: ({ deleteKey }) => (deleteKey ? undefined : "the driver cannot delete a key"),
    async run(world) {
      const { dco } = await openPeer(world);
      const refusals = ["tertiary", "", 0, null, undefined, ["primary"]].map((slot) => ({
        what: `slot ${String(slot)}`,
        field: "slot",
        call: () => dco.deleteKey(1, slot as "primary"),
      }));
      await assertNoEffect(world, world.server, dco, refusals);
    },
  },
  {
    name: "the same key material again is invalid, in either direction and in bulk",
    async run(world) {
      const { dco, key } = await openPeer(world);
      const next = () => freshKey(1, "secondary");
      const again = (direction: "encrypt" | "decrypt") => ({
        ...next(),
        // Another nonce tail does not make it another key.
        [direction]: { ...freshDirection(), key: Uint8Array.from(key[direction].key) },
      });
      await assertNoEffect(world, world.server, dco, [
        ...both(dco, "the very same key", { ...key, slot: "secondary", id: 1 }, "encrypt.key"),
        ...both(dco, "the same encryption key", again("encrypt"), "encrypt.key"),
        ...both(dco, "the same decryption key", again("decrypt"), "decrypt.key"),
        {
          what: "one key for two peers of a bulk call",
          field: "keys[0].key.encrypt.key",
          call: () => firstItem(dco.installKeys([{ peer: 1, key: { ...key, slot: "secondary", id: 1 } }])),
        },
      ]);
    },
  },
]);
