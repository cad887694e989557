/** Keys and their slots, in both modes. */
import { deepEqual, equal } from "node:assert/strict";
import type { Case } from "../case.ts";
import { keyDirection, pack } from "../layout.ts";
import { mpNewPeer, NEW, newKey, newPeer, OLD, type Scene, startServer, withAdapter } from "../scene.ts";

const keys = (name: string, version: string, run: (scene: Scene) => Promise<void>): Case => ({
  group: `keys, ${version}`,
  name,
  run: () => withAdapter(version, run),
});

export const keyCases: readonly Case[] = [
  ...[OLD, NEW].flatMap((version) => [
    keys("without a peer: 2", version, async ({ error }) => {
      equal(await error("NEW_KEY", newKey()), 2);
    }),

    keys("slots and ciphers that there are not: 1", version, async ({ error, must }) => {
      await must("NEW_PEER", newPeer(9));
      for (const fields of [{ KeySlot: 2 }, { KeySlot: -1 }, { CipherAlg: 3 }, { CipherAlg: -1 }])
        equal(await error("NEW_KEY", newKey(fields)), 1, JSON.stringify(fields));
      // More than the field holds; shorter ones are BCrypt's matter.
      equal(await error("NEW_KEY", newKey({ Encrypt: keyDirection(1, 33) })), 1);
    }),

    keys("all lengths of AES, and what a swap does", version, async ({ must, simulator }) => {
      await must("NEW_PEER", newPeer(9));
      for (const length of [16, 24, 32])
        await must("NEW_KEY", newKey({ Encrypt: keyDirection(length, length), KeyId: length & 7 }));
      await must("NEW_KEY", newKey({ KeySlot: 1, KeyId: 6 }));
      const before = await simulator.peer();
      deepEqual([before.keys[0]?.keyId, before.keys[1]?.keyId, before.id], [0, 6, 5]);
      deepEqual(before.keys[0]?.encrypt, keyDirection(32, 32));
      deepEqual(before.keys[1]?.decrypt, keyDirection(0xcc, 32));
      await must("SWAP_KEYS");
      const after = await simulator.peer();
      deepEqual([after.keys[0]?.keyId, after.keys[1]?.keyId], [6, 0]);
    }),

    keys("a key that is refused leaves the slot empty", version, async ({ error, must, simulator }) => {
      await must("NEW_PEER", newPeer(9));
      await must("NEW_KEY", newKey());
      equal(await error("NEW_KEY", newKey({ Encrypt: keyDirection(1, 17) })), version === OLD ? 1 : 87);
      equal((await simulator.peer()).keys[0], undefined);
    }),
  ]),

  keys("NEW_KEY_V2 hands over its options", NEW, async ({ must, simulator }) => {
    await must("NEW_PEER", newPeer(9));
    await must("NEW_KEY_V2", pack("CRYPTO_DATA_V2", { V1: newKey(), CryptoOptions: 2 }));
    equal((await simulator.peer()).keys[0]?.options, 2);
  }),

  keys("in multi-peer mode each peer has its own", NEW, async (scene) => {
    const { error, must, simulator } = scene;
    await startServer(scene);
    await must("MP_NEW_PEER", mpNewPeer(1));
    await must("MP_NEW_PEER", mpNewPeer(2));
    equal(await error("NEW_KEY", newKey({ PeerId: 3 })), 2);
    await must("NEW_KEY", newKey({ PeerId: 2, KeyId: 1 }));
    equal((await simulator.peer(1)).keys[0], undefined);
    equal((await simulator.peer(2)).keys[0]?.keyId, 1);
    await must("MP_SWAP_KEYS", pack("MP_SWAP_KEYS", { PeerId: 2 }));
    equal((await simulator.peer(2)).keys[1]?.keyId, 1);
    equal(await error("MP_SWAP_KEYS", pack("MP_SWAP_KEYS", { PeerId: 3 })), 1);
  }),
];
