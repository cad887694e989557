/**
 * Keys: ciphers, slots, material that is used once.
 */
import assert from "node:assert/strict";
import type { DcoError } from "../../../src/core/errors.ts";
import { CIPHERS, type KeyOptions } from "../../../src/core/model.ts";
import { type Case, group } from "../case.ts";
import { rejects } from "../expect.ts";
import { freshDirection, freshKey, freshKeyPair } from "../keys.ts";
import { assertReaches, assertSilent, connect, type Family, installKeys, openTunnel } from "../tunnel.ts";

const deletesKeys: Pick<Case, "needs"> = {
  needs: ({ deleteKey }) => (deleteKey ? undefined : "the driver cannot delete a key"),
};

function cipherCases(): Omit<Case, "group">[] {
  return CIPHERS.flatMap((cipher) =>
    ([4, 6] as Family[]).map((family) => ({
      name: `${cipher} carries IPv4 and IPv6 both ways, outside over IPv${family}`,
      overTcp: true,
      needs: (capabilities) =>
        capabilities.ciphers.includes(cipher) ? undefined : `the kernel has no ${cipher}`,
      async run(world) {
        const { server, client } = await openTunnel(world, { cipher, family });
        await assertReaches(world, client, server.vpn.ipv4);
        await assertReaches(world, client, server.vpn.ipv6, { size: 1300 });
        await assertReaches(world, server, client.vpn.ipv4, { size: 1300 });
        await assertReaches(world, server, client.vpn.ipv6);
        assert.deepEqual(await server.dco.keys(1), [{ slot: "primary", id: 0, cipher }]);
      },
    })),
  );
}

export const keyCases = group("keys", [
  ...cipherCases(),
  {
    name: "without a key, and with another key than the other end's, nothing gets through",
    overTcp: true,
    async run(world) {
      const { server, client } = await openTunnel(world, { keys: false });
      await assertSilent(world, client, server.vpn.ipv4);
      await server.dco.installKey(1, freshKey());
      await client.dco.installKey(1, freshKey());
      await assertSilent(world, client, server.vpn.ipv4);
      await assertSilent(world, server, client.vpn.ipv4);
      assert.equal((await server.dco.stats())[0]?.tunnel?.rxBytes, 0n);
      await installKeys(server, client, { keyId: 1 });
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "the same key with another nonce tail gets nothing through",
    async run(world) {
      const { server, client } = await openTunnel(world, { keys: false });
      const [forServer, forClient] = freshKeyPair();
      const { nonceTail } = freshDirection();
      await server.dco.installKey(1, forServer);
      await client.dco.installKey(1, { ...forClient, encrypt: { ...forClient.encrypt, nonceTail } });
      await assertSilent(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "keys() tells what the slots hold, through install, swap and delete",
    async run(world) {
      const { server, client } = await openTunnel(world, { cipher: "aes-128-gcm" });
      const { dco } = server;
      const cipher = world.capabilities.ciphers.at(-1);
      await installKeys(server, client, { slot: "secondary", keyId: 7, cipher });
      const old = { id: 0, cipher: "aes-128-gcm" };
      const next = { id: 7, cipher };
      assert.deepEqual(await dco.keys(1), [
        { slot: "primary", ...old },
        { slot: "secondary", ...next },
      ]);
      assert.deepEqual((await dco.peer(1)).keys, await dco.keys(1));
      await dco.swapKeys(1);
      assert.deepEqual(await dco.keys(1), [
        { slot: "primary", ...next },
        { slot: "secondary", ...old },
      ]);
      if (!world.capabilities.deleteKey) return;
      await dco.deleteKey(1, "secondary");
      assert.deepEqual(await dco.keys(1), [{ slot: "primary", ...next }]);
      await dco.deleteKey(1, "primary");
      assert.deepEqual(await dco.keys(1), []);
    },
  },
  {
    name: "a key in an occupied slot replaces the one that was there",
    async run(world) {
      const { server, client } = await openTunnel(world);
      await installKeys(server, client, { keyId: 0 });
      await assertReaches(world, client, server.vpn.ipv4);
      const cipher = world.capabilities.ciphers.find((each) => each !== "aes-256-gcm");
      await installKeys(server, client, { keyId: 5, cipher });
      await assertReaches(world, client, server.vpn.ipv4);
      assert.deepEqual(await server.dco.keys(1), [{ slot: "primary", id: 5, cipher }]);
    },
  },
  {
    name: "the primary encrypts, and both slots decrypt",
    overTcp: true,
    async run(world) {
      const { server, client } = await openTunnel(world);
      await installKeys(server, client, { slot: "secondary", keyId: 1 });
      await assertReaches(world, client, server.vpn.ipv4);
      await server.dco.swapKeys(1);
      await assertReaches(world, client, server.vpn.ipv4);
      if (world.capabilities.deleteKey) {
        // What the client encrypts with is now the server's secondary.
        await server.dco.deleteKey(1, "secondary");
        await assertSilent(world, client, server.vpn.ipv4);
      }
      await client.dco.swapKeys(1);
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "swapKeysOf exchanges the keys of many peers, and each settles by itself",
    async run(world) {
      const { server, clients } = await openTunnel(world, { clients: 2 });
      const [first, second] = clients;
      assert.ok(first && second);
      await installKeys(server, first, { slot: "secondary", keyId: 1 });
      const results = await server.dco.swapKeysOf([1, 2, 99]);
      const outcome = results.map((result) => (result.ok ? true : (result.error as DcoError).code));
      assert.deepEqual(outcome, [true, "not-found", "not-found"]);
      assert.deepEqual(
        (await server.dco.keys(1)).map(({ slot, id }) => [slot, id]),
        [
          ["primary", 1],
          ["secondary", 0],
        ],
      );
      await assertReaches(world, first, server.vpn.ipv4);
      await assertReaches(world, second, server.vpn.ipv4);
    },
  },
  {
    name: "swap with an empty secondary is not-found, and the tunnel works on",
    async run(world) {
      const { server, client } = await openTunnel(world);
      await rejects(server.dco.swapKeys(1), "not-found", { operation: "swapKeys" });
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "a secondary while the primary is empty is invalid",
    async run(world) {
      const { server } = await openTunnel(world, { keys: false });
      await rejects(server.dco.installKey(1, freshKey(0, "secondary")), "invalid", { field: "slot" });
      assert.deepEqual(await server.dco.keys(1), []);
    },
  },
  {
    name: "the same key id in both slots is invalid, whichever is installed last",
    async run(world) {
      const { server } = await openTunnel(world);
      await rejects(server.dco.installKey(1, freshKey(0, "secondary")), "invalid", { field: "id" });
      await server.dco.installKey(1, freshKey(1, "secondary"));
      await rejects(server.dco.installKey(1, freshKey(1, "primary")), "invalid", { field: "id" });
      await server.dco.installKey(1, freshKey(0, "primary"));
      assert.equal((await server.dco.keys(1)).length, 2);
    },
  },
  {
    name: "deleteKey empties the slot, and of an empty slot succeeds; or it is unsupported",
    async run(world) {
      const { server, client } = await openTunnel(world);
      if (!world.capabilities.deleteKey) {
        await rejects(server.dco.deleteKey(1, "primary"), "unsupported", { capability: "deleteKey" });
        return;
      }
      await server.dco.deleteKey(1, "secondary");
      await assertReaches(world, client, server.vpn.ipv4);
      await server.dco.deleteKey(1, "primary");
      await server.dco.deleteKey(1, "primary");
      await assertSilent(world, client, server.vpn.ipv4);
      await installKeys(server, client, { keyId: 3 });
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    ...deletesKeys,
    name: "with the primary emptied the secondary goes on decrypting, whatever its key id, and nothing is sent that could be read",
    overTcp: true,
    async run(world) {
      const { server, client } = await openTunnel(world);
      for (const [turn, next] of [1, 0, 2].entries()) {
        await installKeys(server, client, { slot: "secondary", keyId: next });
        // The client encrypts with what is the server's secondary.
        await client.dco.swapKeys(1);
        await client.dco.deleteKey(1, "secondary");
        await server.dco.deleteKey(1, "primary");
        const before = (await server.dco.stats())[0]?.tunnel?.rxPackets ?? 0n;
        const heard = (await client.dco.stats())[0]?.tunnel?.rxPackets;
        await assertSilent(world, client, server.vpn.ipv4);
        const stats = async () => (await server.dco.stats())[0]?.tunnel?.rxPackets ?? 0n;
        if (server.dco.capabilities.packetStats) assert.equal(await stats(), before + 2n, `turn ${turn}`);
        assert.equal((await client.dco.stats())[0]?.tunnel?.rxPackets, heard);
        assert.deepEqual(
          (await server.dco.keys(1)).map(({ slot, id }) => [slot, id]),
          [["secondary", next]],
        );
        // Now it is used, and what was in its place is gone.
        await server.dco.swapKeys(1);
        await assertReaches(world, client, server.vpn.ipv4);
      }
    },
  },
  {
    name: "the same key is refused for its direction in the life of the interface, for any peer and slot",
    async run(world) {
      const { server, client } = await openTunnel(world, { keys: false });
      const { dco } = server;
      const key = freshKey();
      const reused = (direction: "encrypt" | "decrypt"): KeyOptions => ({
        ...freshKey(1),
        [direction]: { ...freshDirection(), key: key[direction].key },
      });
      const refused = async (peer: number) => {
        await rejects(dco.installKey(peer, key), "invalid", { field: "encrypt.key" });
        await rejects(dco.installKey(peer, reused("encrypt")), "invalid", { field: "encrypt.key" });
        await rejects(dco.installKey(peer, reused("decrypt")), "invalid", { field: "decrypt.key" });
      };
      await dco.installKey(1, key);
      await refused(1);
      if (world.capabilities.deleteKey) await dco.deleteKey(1, "primary");
      await refused(1);
      const vpn = { ipv4: "10.8.0.9" };
      await connect(server, client, { id: 2, keys: false, server: { vpn }, client: { replace: true } });
      await refused(2);
      await dco.removePeer(1);
      await connect(server, client, { id: 1, keys: false, client: { replace: true } });
      await refused(1);
      // The directions are told apart: a mirrored key is not the same packet counter.
      await dco.installKey(1, { ...key, encrypt: key.decrypt, decrypt: key.encrypt });
      // A refused key was not used: its other half is still good.
      await dco.installKey(2, { ...freshKey(), decrypt: reused("encrypt").decrypt });
    },
  },
  {
    name: "a key that was refused for something else may be installed afterwards",
    async run(world) {
      const { server } = await openTunnel(world, { keys: false });
      const key = freshKey(0, "secondary");
      await rejects(server.dco.installKey(1, key), "invalid", { field: "slot" });
      await rejects(server.dco.installKey(9, { ...key, slot: "primary" }), "not-found");
      await server.dco.installKey(1, { ...key, slot: "primary" });
    },
  },
  {
    name: "wipe zeroes the caller's bytes, whether the key was taken or refused; without it they stay",
    async run(world) {
      const { server, client } = await openTunnel(world, { keys: false });
      const bytesOf = ({ encrypt, decrypt }: KeyOptions) =>
        Buffer.concat([encrypt.key, encrypt.nonceTail, decrypt.key, decrypt.nonceTail]);
      const [kept, forClient] = freshKeyPair();
      const before = bytesOf(kept);
      await server.dco.installKey(1, kept);
      assert.deepEqual(bytesOf(kept), before);
      const copy = structuredClone(forClient);
      await client.dco.installKey(1, { ...copy, wipe: true });
      assert.ok(
        bytesOf(copy).every((byte) => byte === 0),
        "a taken key is wiped",
      );
      await assertReaches(world, client, server.vpn.ipv4);
      const refused = freshKey();
      await rejects(server.dco.installKey(9, { ...refused, wipe: true }), "not-found");
      assert.ok(
        bytesOf(refused).every((byte) => byte === 0),
        "a refused key is wiped",
      );
    },
  },
  {
    ...deletesKeys,
    name: "keys of one peer leave other peers alone",
    async run(world) {
      const { server, clients } = await openTunnel(world, { clients: 2 });
      await server.dco.deleteKey(1, "primary");
      assert.equal((await server.dco.keys(2)).length, 1);
      await assertReaches(world, clients[1] as (typeof clients)[0], server.vpn.ipv4);
      await assertSilent(world, clients[0] as (typeof clients)[0], server.vpn.ipv4);
    },
  },
]);
