/**
 * What an observer finds: the interface, its peers, their keys, and that it may change nothing.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../src/core/contract.ts";
import type { PeerInfo } from "../../src/core/model.ts";
import { eventually, rejects } from "../conformance/expect.ts";
import { freshKey } from "../conformance/keys.ts";
import type { Checks } from "./checks.ts";
import { DEVICE, KEEPALIVE, PORT } from "./openvpn.ts";
import { keyIds, lastMatch, linesOf, type Member, peerOf, type Scene } from "./scene.ts";
import { socketPort } from "./stage.ts";

/** A rekey, in an emulated machine. */
const REKEY_MS = 60_000;

/** The checks of what is there. */
export async function checkPresent(checks: Checks, scene: Scene): Promise<void> {
  const { stage, driver, dco, steady, guest } = scene;
  const members = [steady, guest];

  await checks.check(
    "OpenVPN handed its data channel to the kernel, on the server and the clients",
    async () => {
      for (const process of [stage.server, ...members.map(({ client }) => client)]) {
        assert.deepEqual(linesOf(process, /disabling data channel offload/i), []);
        assert.ok(linesOf(process, new RegExp(`DCO device ${DEVICE} opened`)).length > 0, process.name);
      }
    },
  );

  await checks.check("the interface is listed with its mode, and as nobody's that dcokit knows", async () => {
    const [info, ...others] = await driver.listInterfaces(stage.extras);
    assert.deepEqual(others, []);
    assert.deepEqual([info?.name, info?.mode, info?.up, info?.owner], [DEVICE, "multipeer", true, undefined]);
    assert.deepEqual([dco.role, dco.mode, dco.index], ["observer", "multipeer", info?.index]);
  });

  await checks.check("its peers are the clients: ids, addresses outside and inside, keepalive", async () => {
    const peers = await dco.peers();
    assert.equal(peers.length, members.length);
    for (const member of members) {
      const { client } = member;
      const told = await stage.status(client.name);
      assert.equal(told.peerId, Number(lastMatch(client, /Data Channel: .*peer-id: (\d+)/)[1]));
      const peer = peers.find(({ id }) => id === told.peerId) ?? assert.fail(`no peer ${told.peerId}`);
      await checkAddresses(scene, member, peer);
      const { ipv4 } = stage.site(client.name);
      assert.equal(told.realAddress, `${ipv4}:${await socketPort(client, stage.protocol)}`);
      assert.deepEqual(peer.vpn, { ipv4: told.ipv4, ipv6: told.ipv6 });
      const own = await client.at.run(`ip -o addr show dev ${DEVICE}`);
      for (const address of [told.ipv4, told.ipv6]) assert.ok(own.includes(` ${address}/`), own);
      // OpenVPN's server gives up after twice the clients' time.
      assert.deepEqual(peer.keepalive, { interval: KEEPALIVE.interval, timeout: 2 * KEEPALIVE.timeout });
    }
  });

  const installed = "the keys are those that OpenVPN installed, in peers() as in keys()";
  const checkInstalled = async () => {
    const { id, keys } = await peerOf(scene, guest);
    assert.deepEqual(keys, [{ slot: "primary", id: 0, cipher: "aes-gcm" }]);
    assert.deepEqual(await dco.keys(id), keys);
    const listed = (await dco.peers()).find((peer) => peer.id === id);
    assert.deepEqual(listed?.keys, keys);
  };
  if (dco.capabilities.readKeys) await checks.check(installed, checkInstalled);
  else checks.skip(installed, KEYS_UNTOLD);

  await checks.check("an observer may not change anything", async () => {
    const { id } = await peerOf(scene, guest);
    const verbs: Record<string, (dco: DcoInterface) => Promise<unknown>> = {
      configure: () => dco.configure({ mtu: 1300 }),
      openTransport: () => dco.openTransport({ protocol: "udp" }),
      setPeer: () => dco.setPeer(id, { keepalive: "off" }),
      installKey: () => dco.installKey(id, freshKey(1, "secondary")),
      swapKeys: () => dco.swapKeys(id),
      deleteKey: () => dco.deleteKey(id, "primary"),
      removePeer: () => dco.removePeer(id),
      removePeers: () => dco.removePeers([id]),
    };
    for (const [operation, call] of Object.entries(verbs)) {
      await rejects(() => call(dco), "permission", { operation, effect: "none" });
    }
    assert.equal((await dco.peers()).length, members.length);
  });

  const renewed = "a new key that OpenVPN negotiates is seen, in peers() as in keys()";
  const checkRenewed = async () => {
    const { id } = await peerOf(scene, steady);
    const swaps = linesOf(stage.server, SWAPPED).length;
    await stage.server.logged(SWAPPED, swaps + 1);
    await eventually(
      "the keys as OpenVPN has them",
      async () => [keyIds(await dco.keys(id)), swapped(scene)],
      ([seen, told]) => same(seen, told),
      REKEY_MS,
    );
    const [peer] = (await dco.peers()).filter((each) => each.id === id);
    assert.deepEqual(keyIds(peer?.keys ?? []), swapped(scene));
    assert.deepEqual(peer, await dco.peer(id));
  };
  if (dco.capabilities.readKeys) await checks.check(renewed, checkRenewed);
  else {
    checks.skip(renewed, KEYS_UNTOLD);
    await checks.check("OpenVPN negotiates a new key, and no ping is lost", async () => {
      await stage.server.logged(SWAPPED, linesOf(stage.server, SWAPPED).length + 1);
      steady.traffic.check();
    });
  }
}

/** Why there is nothing to compare. */
const KEYS_UNTOLD = "this module does not tell what is in the slots";

/** Where a peer is, by its socket as the system lists it. */
export async function checkAddresses(
  { stage }: Scene,
  { client }: Member,
  peer: PeerInfo,
  address = stage.site(client.name).ipv4,
): Promise<void> {
  const udp = stage.protocol === "udp";
  const port = await socketPort(client, stage.protocol);
  // A TCP peer is where its connection is: the kernel does not say.
  assert.deepEqual(peer.remote, udp ? { address, port } : undefined);
  assert.deepEqual(peer.local, udp ? { address: stage.site("server").ipv4, port: PORT } : undefined);
}

/** The version 2.6 says it in other words. */
const SWAPPED = /Swapping primary and secondary keys/;
const SWAPPED_TO = /Swapping primary and secondary keys to primary-id=(\d+) secondary-id=(\d+)/;

/** The key ids after OpenVPN's last swap. */
function swapped({ stage }: Scene): ReturnType<typeof keyIds> {
  const [, primary, secondary] = lastMatch(stage.server, SWAPPED_TO);
  return { primary: Number(primary), secondary: Number(secondary) };
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
