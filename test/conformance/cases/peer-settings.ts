/**
 * What can be set of a peer: addresses, keepalive, the id on the wire.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { eventually, pause, rejects } from "../expect.ts";
import { freshKey, freshKeyPair } from "../keys.ts";
import {
  assertReaches,
  assertSilent,
  connect,
  installKeys,
  openEnd,
  openTunnel,
  reachable,
  vpnOf,
} from "../tunnel.ts";

export const peerSettingCases = group("peer settings", [
  {
    name: "setPeer remote sends to the new address, and is told by peer()",
    needs: ({ setRemote }) => (setRemote ? undefined : "the driver cannot set the remote"),
    async run(world) {
      const { server, client } = await openTunnel(world);
      await assertReaches(world, server, client.vpn.ipv4);
      await server.dco.setPeer(1, { remote: "192.0.2.99:1194" });
      assert.deepEqual((await server.dco.peer(1)).remote, { address: "192.0.2.99", port: 1194 });
      await assertSilent(world, server, client.vpn.ipv4);
      await server.dco.setPeer(1, { remote: client.transport.local as { address: string; port: number } });
      await assertReaches(world, server, client.vpn.ipv4);
    },
  },
  {
    name: "setPeer vpn moves the peer to the new addresses inside the tunnel",
    overTcp: true,
    needs: ({ setVpn }) => (setVpn ? undefined : "the driver cannot set VPN addresses"),
    async run(world) {
      const { server, client } = await openTunnel(world);
      const vpn = vpnOf(50);
      await server.dco.setPeer(1, { vpn });
      assert.deepEqual((await server.dco.peer(1)).vpn, vpn);
      const addresses = [`${vpn.ipv4}/24`, `${vpn.ipv6}/64`];
      await world.configure(client.site, client.dco, { addresses });
      await assertReaches(world, server, vpn.ipv4);
      await assertReaches(world, client, server.vpn.ipv6);
    },
  },
  {
    name: "setPeer takes a VPN address away, but not the last",
    needs: ({ setVpn }) => (setVpn ? undefined : "the driver cannot set VPN addresses"),
    async run(world) {
      const { server, client } = await openTunnel(world);
      const { ipv4, ipv6 } = vpnOf(2);
      await server.dco.setPeer(1, { vpn: { ipv6: null } });
      assert.deepEqual((await server.dco.peer(1)).vpn, { ipv4 });
      await assertReaches(world, server, client.vpn.ipv4);
      await rejects(server.dco.setPeer(1, { vpn: { ipv4: null } }), "invalid", { field: "vpn" });
      await server.dco.setPeer(1, { vpn: { ipv4: null, ipv6 } });
      assert.deepEqual((await server.dco.peer(1)).vpn, { ipv6 });
      await assertReaches(world, server, client.vpn.ipv6);
      // Somebody else may have it now.
      const { transport } = server;
      await server.dco.addPeer({ id: 9, transport, remote: "192.0.2.99:1194", vpn: { ipv4 } });
    },
  },
  {
    name: "the local address of a peer is the source of what is sent to it, and stays when the remote changes",
    needs: ({ peerLocalAddress }) => (peerLocalAddress ? undefined : "the driver sets no local address"),
    async run(world) {
      const local = (await world.addAddresses(world.server)).ipv4;
      const any = { local: "0.0.0.0:1194" };
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1, transport: any });
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2 });
      await connect(server, client, { server: { local }, client: { remote: `${local}:1194` } });
      const sent = async () => {
        assert.deepEqual((await server.dco.peer(1)).local, { address: local, port: 1194 });
        await assertReaches(world, server, client.vpn.ipv4);
        // The client follows a server that sends from elsewhere.
        assert.equal((await client.dco.peer(1)).remote?.address, local);
      };
      await sent();
      if (!world.capabilities.setRemote) return;
      await server.dco.setPeer(1, { remote: client.transport.local as { address: string; port: number } });
      await sent();
    },
  },
  {
    name: "two ends with different ids reach each other by txId, or it is unsupported",
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const remote = reachable(server.site, server.transport);
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2, remote });
      const ids = { server: { id: 3, txId: 5 }, client: { id: 5, txId: 3 }, keys: false };
      if (!world.capabilities.asymmetricPeerId) {
        await rejects(connect(server, client, ids), "unsupported", { capability: "asymmetricPeerId" });
        return;
      }
      await connect(server, client, ids);
      const [forServer, forClient] = freshKeyPair();
      await server.dco.installKey(3, forServer);
      await client.dco.installKey(5, forClient);
      await assertReaches(world, client, server.vpn.ipv4);
      await assertReaches(world, server, client.vpn.ipv6);
      assert.equal((await server.dco.peer(3)).txId, 5);
      await server.dco.setPeer(3, { txId: 6 });
      assert.equal((await server.dco.peer(3)).txId, 6);
      await assertSilent(world, server, client.vpn.ipv4);
    },
  },
  {
    name: "keepalive is armed with the first key: a slow handshake does not kill the peer",
    async run(world) {
      const keepalive = { interval: 1, timeout: 2 };
      const { server } = await openTunnel(world, { keys: false, server: { keepalive } });
      assert.deepEqual((await server.dco.peer(1)).keepalive, keepalive, "it is told though it is not armed");
      await pause(5 * world.second);
      assert.deepEqual(server.events.of("peer-deleted"), []);
      assert.equal((await server.dco.peer(1)).id, 1);
      await server.dco.installKey(1, freshKey());
      assert.equal((await server.events.next("peer-deleted")).reason, "expired");
    },
  },
  {
    name: "keepalive of both ends keeps an idle tunnel alive",
    overTcp: true,
    async run(world) {
      const keepalive = { interval: 1, timeout: 30 };
      const { server, client } = await openTunnel(world, { server: { keepalive }, client: { keepalive } });
      for (const end of [server, client]) {
        const stats = async () => (await end.dco.stats())[0];
        const { linkStats, countsPings } = end.dco.capabilities;
        const enough = await eventually("packets of the other end", stats, (now) => {
          // A kernel that counts one kind of packets only may count pings among them.
          const counted = linkStats ? now?.link : now?.tunnel;
          return (counted?.rxBytes ?? 0n) > 100n && (counted?.txBytes ?? 0n) > 100n;
        });
        if (!countsPings) {
          assert.equal(enough?.tunnel?.rxBytes, 0n, "pings are no packets of the tunnel");
          assert.equal(enough?.tunnel?.txBytes, 0n);
        }
        assert.deepEqual(end.events.of("peer-deleted"), []);
      }
    },
  },
  {
    name: "setPeer keepalive changes it before the first key and after",
    async run(world) {
      const { server, client } = await openTunnel(world, { keys: false });
      const first = { interval: 10, timeout: 60 };
      await server.dco.setPeer(1, { keepalive: first });
      assert.deepEqual((await server.dco.peer(1)).keepalive, first);
      await installKeys(server, client);
      assert.deepEqual((await server.dco.peer(1)).keepalive, first);
      const second = { interval: 1, timeout: 3 };
      await server.dco.setPeer(1, { keepalive: second });
      assert.deepEqual((await server.dco.peer(1)).keepalive, second);
      await client.dco.removePeer(1);
      assert.equal((await server.events.next("peer-deleted")).reason, "expired");
    },
  },
  {
    name: "setPeer keepalive off disarms it, or is unsupported once it was armed",
    async run(world) {
      const keepalive = { interval: 1, timeout: 3 };
      const { server, client } = await openTunnel(world, { server: { keepalive } });
      if (!server.dco.capabilities.disarmKeepalive) {
        const call = server.dco.setPeer(1, { keepalive: "off" });
        await rejects(call, "unsupported", { capability: "disarmKeepalive" });
        return;
      }
      await server.dco.setPeer(1, { keepalive: "off" });
      assert.equal((await server.dco.peer(1)).keepalive, "off");
      await client.dco.removePeer(1);
      await pause(6 * world.second);
      assert.deepEqual(server.events.of("peer-deleted"), []);
      assert.equal((await server.dco.peers()).length, 1);
    },
  },
]);
