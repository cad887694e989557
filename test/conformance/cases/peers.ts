/**
 * Peers: add, read, replace, remove; one or many at a time.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../../src/core/contract.ts";
import type { BulkResult } from "../../../src/core/model.ts";
import { group } from "../case.ts";
import { checkError, rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { SYSTEM } from "../needs.ts";
import {
  assertReaches,
  assertSilent,
  connect,
  installKeys,
  nowhere,
  openEnd,
  openTunnel,
  reachable,
  vpnOf,
} from "../tunnel.ts";

/** Somewhere that nobody is. */
const NOWHERE = "192.0.2.99:1194";

export const peerCases = group("peers", [
  {
    name: "a peer that was added is told by peer() and peers(), and is gone after removePeer",
    async run(world) {
      for (const mode of ["p2p", "multipeer"] as const) {
        const remote = { address: "192.0.2.99", port: 1194 };
        const host = mode === "p2p" ? 1 : 2;
        const end = { mode, host, ...(mode === "p2p" && { remote }) };
        const { dco, transport } = await openEnd(world, world.server, end);
        const vpn = mode === "p2p" ? {} : { ipv4: "10.8.0.9", ipv6: "fd00:8::9" };
        const options = { id: 7, transport, remote, ...(mode === "multipeer" && { vpn }) };
        const ref = await dco.addPeer(options);
        const { local: _, ...peer } = await dco.peer(7);
        const generation = ref.generation;
        assert.deepEqual(peer, { id: 7, generation, remote, vpn, keepalive: "off", txId: 7, keys: [] });
        assert.deepEqual(
          (await dco.peers()).map((each) => each.id),
          [7],
        );
        await dco.removePeer(7);
        await rejects(dco.peer(7), "not-found");
        assert.deepEqual(await dco.peers(), []);
      }
    },
  },
  {
    name: "the lowest and the highest id work, with traffic",
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      for (const [at, id] of [0, 0xfffffe].entries()) {
        const remote = reachable(server.site, server.transport);
        const client = await openEnd(world, world.clients[at as 0 | 1], {
          mode: "p2p",
          host: at + 2,
          remote,
        });
        await connect(server, client, { id });
        await assertReaches(world, client, server.vpn.ipv4);
        assert.equal((await server.dco.peer(id)).id, id);
      }
    },
  },
  {
    name: "every verb on an unknown peer is not-found",
    async run(world) {
      const { dco } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const verbs: Record<string, (dco: DcoInterface) => Promise<unknown>> = {
        setPeer: (dco) => dco.setPeer(5, { keepalive: { interval: 10, timeout: 60 } }),
        removePeer: (dco) => dco.removePeer(5),
        peer: (dco) => dco.peer(5),
        installKey: (dco) => dco.installKey(5, freshKey()),
        swapKeys: (dco) => dco.swapKeys(5),
        keys: (dco) => dco.keys(5),
        ...(world.capabilities.deleteKey && { deleteKey: (dco) => dco.deleteKey(5, "primary") }),
      };
      for (const [operation, call] of Object.entries(verbs)) {
        await rejects(() => call(dco), "not-found", { operation, effect: "none" });
      }
    },
  },
  {
    name: "three clients of a multipeer server reach it and are reached, IPv4 and IPv6 inside",
    overTcp: true,
    async run(world) {
      const { server, clients } = await openTunnel(world, { clients: 3 });
      for (const client of clients) {
        await assertReaches(world, client, server.vpn.ipv4);
        await assertReaches(world, client, server.vpn.ipv6);
        await assertReaches(world, server, client.vpn.ipv4);
        await assertReaches(world, server, client.vpn.ipv6);
      }
      const peers = await server.dco.peers();
      assert.deepEqual(peers.map((peer) => [peer.id, peer.vpn]).sort(), [
        [1, vpnOf(2)],
        [2, vpnOf(3)],
        [3, vpnOf(4)],
      ]);
    },
  },
  {
    name: "clients reach each other through the server's host, if it forwards",
    overTcp: true,
    async run(world) {
      const { clients } = await openTunnel(world, { clients: 3 });
      await world.enableForwarding(world.server);
      for (const [from, to] of [
        [0, 1],
        [1, 2],
        [2, 0],
      ] as const) {
        const [sender, receiver] = [clients[from], clients[to]];
        assert.ok(sender && receiver);
        await assertReaches(world, sender, receiver.vpn.ipv4);
        await assertReaches(world, sender, receiver.vpn.ipv6);
      }
    },
  },
  {
    ...SYSTEM,
    name: "prefixes behind a client are reached by a route via its VPN address",
    overTcp: true,
    async run(world) {
      const { server, clients } = await openTunnel(world, { clients: 2 });
      const [first, second] = clients;
      assert.ok(first && second);
      await second.dco.configure({
        addresses: [`${second.vpn.ipv4}/24`, `${second.vpn.ipv6}/64`, "10.55.0.1/16", "fd00:55::1/64"],
      });
      await server.dco.configure({
        routes: [
          { destination: "10.55.0.0/16", via: second.vpn.ipv4 },
          { destination: "fd00:55::/64", via: second.vpn.ipv6 },
        ],
      });
      await assertReaches(world, server, "10.55.0.1");
      await assertReaches(world, server, "fd00:55::1");
    },
  },
  {
    ...SYSTEM,
    name: "routes of a peer come and go with it, or are unsupported",
    async run(world) {
      const { server } = await openTunnel(world);
      const { transport } = server;
      const peer = { id: 9, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.9" }, routes: ["10.55.0.0/16"] };
      const add = () => server.dco.addPeer(peer);
      if (!world.capabilities.peerRoutes) {
        await rejects(add(), "unsupported", { capability: "peerRoutes" });
        return;
      }
      await add();
      const seen = async () => (await world.inspect(server.site, server.dco.name))?.routes.join();
      assert.match((await seen()) ?? "", /10\.55\.0\.0\/16/);
      await server.dco.removePeer(9);
      assert.equal(await seen(), "");
    },
  },
  {
    name: "an inner source address that is not the peer's is dropped, where the capabilities say so",
    overTcp: true,
    needs: ({ sourceCheck }) => (sourceCheck.includes("multipeer") ? undefined : "no check of inner sources"),
    async run(world) {
      const { server, client } = await openTunnel(world);
      const move = (address: string) => world.configure(client.site, client.dco, { addresses: [address] });
      await move("10.8.0.77/24");
      await assertSilent(world, client, server.vpn.ipv4);
      await move(`${client.vpn.ipv4}/24`);
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "an id in use is exists, and so is a second peer in p2p mode; the first goes on",
    async run(world) {
      const { server, client } = await openTunnel(world);
      await rejects(connect(server, client), "exists", { operation: "addPeer", effect: "none" });
      const add = (id: number) => client.dco.addPeer({ id, transport: client.transport, remote: NOWHERE });
      for (const id of [1, 2]) await rejects(add(id), "exists", { effect: "none" });
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "replace puts a new peer in the place of the old: no key is left, the generation grows",
    needs: ({ replacePeer }) => (replacePeer ? undefined : "replacing needs a new transport"),
    async run(world) {
      const { server, client } = await openTunnel(world);
      const [before] = await server.dco.peers();
      const refs = await connect(server, client, {
        keys: false,
        server: { replace: true },
        client: { replace: true },
      });
      assert.ok(before && refs.server.generation > before.generation);
      for (const end of [server, client]) {
        const deleted = await end.events.next("peer-deleted");
        assert.equal(deleted.reason, "replaced");
        assert.ok(deleted.generation < (end === server ? refs.server : refs.client).generation);
        assert.deepEqual(await end.dco.keys(1), []);
        assert.equal((await end.dco.peers()).length, 1);
      }
      await assertSilent(world, client, server.vpn.ipv4);
      await installKeys(server, client);
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "replace in p2p mode removes whatever peer is there, also one with another id",
    needs: ({ replacePeer }) => (replacePeer ? undefined : "replacing needs a new transport"),
    async run(world) {
      const { server, client } = await openTunnel(world, { mode: "p2p" });
      await connect(server, client, { id: 5, server: { replace: true }, client: { replace: true } });
      for (const end of [server, client]) {
        const { peer, reason } = await end.events.next("peer-deleted");
        assert.deepEqual([peer, reason], [1, "replaced"]);
        assert.deepEqual(
          (await end.dco.peers()).map((each) => each.id),
          [5],
        );
        await rejects(end.dco.peer(1), "not-found");
      }
      await assertReaches(world, client, server.vpn.ipv4);
    },
  },
  {
    name: "the generation grows with every life of an id",
    async run(world) {
      const { dco, transport, events } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const generations: number[] = [];
      for (let life = 0; life < 5; life++) {
        const ref = await dco.addPeer({ id: 3, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.9" } });
        assert.equal((await dco.peer(3)).generation, ref.generation);
        generations.push(ref.generation);
        await dco.removePeer(3);
      }
      assert.deepEqual(
        generations,
        [...new Set(generations)].sort((a, b) => a - b),
      );
      await dco.close();
      await events.done;
      assert.deepEqual(
        events.of("peer-deleted").map((event) => event.generation),
        generations,
      );
    },
  },
  {
    name: "in bulk: results in the order of the items, one failure does not hide the others",
    async run(world) {
      const { dco, transport } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const add = (id: number, host: number) => ({
        id,
        transport,
        remote: nowhere(host),
        vpn: { ipv4: `10.8.1.${host}`, ipv6: `fd00:8::1:${host}` },
      });
      const progress: [number, number][] = [];
      const added = await dco.addPeers([add(1, 1), add(-1, 2), add(2, 3), add(1, 4), add(3, 5)], {
        onProgress: (done, total) => progress.push([done, total]),
      });
      assert.deepEqual(
        progress,
        [1, 2, 3, 4, 5].map((done) => [done, 5]),
      );
      assert.deepEqual(outcome(added), [true, "invalid", true, "exists", true]);
      checkError((added[1] as { error: unknown }).error, "invalid", { field: "peers[1].id" });
      const keys = [1, 9, 2].map((peer) => ({ peer, key: freshKey() }));
      const installed = await dco.installKeys([...keys, { peer: 3, key: { ...freshKey(), id: 8 } }]);
      assert.deepEqual(outcome(installed), [true, "not-found", true, "invalid"]);
      checkError((installed[3] as { error: unknown }).error, "invalid", { field: "keys[3].key.id" });
      assert.equal((await dco.keys(2)).length, 1);
      assert.deepEqual(outcome(await dco.removePeers([2, 4, 1])), [true, "not-found", true]);
      assert.deepEqual(
        (await dco.peers()).map((peer) => peer.id),
        [3],
      );
    },
  },
  {
    name: "in bulk: hundreds of peers are added, keyed, swapped, told and removed, each with one end",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const { dco, transport } = end;
      const ids = Array.from({ length: 300 }, (_, id) => id);
      const peerOf = (id: number, on = transport) => ({
        id,
        transport: on,
        remote: nowhere(id),
        vpn: { ipv4: `10.9.${id >> 8}.${id & 255}` },
      });
      const allDone = (results: readonly BulkResult<unknown>[]) =>
        assert.deepEqual(new Set(outcome(results)), new Set([true]));
      allDone(await dco.addPeers(ids.map((id) => peerOf(id))));
      allDone(await dco.installKeys(ids.map((peer) => ({ peer, key: freshKey() }))));
      allDone(await dco.installKeys(ids.map((peer) => ({ peer, key: freshKey(1, "secondary") }))));
      allDone(await dco.swapKeysOf(ids));
      const told = new Map((await dco.peers()).map((peer) => [peer.id, peer]));
      assert.equal(told.size, ids.length);
      assert.deepEqual(told.get(299)?.vpn, { ipv4: "10.9.1.43" });
      assert.equal((await dco.stats()).length, ids.length);
      assert.deepEqual(
        (await dco.keys(299)).map(({ id }) => id),
        [1, 0],
      );

      // An abort in the middle: what is under way is finished, the rest stays.
      const abort = new AbortController();
      const results = await dco.removePeers(ids, {
        signal: abort.signal,
        onProgress: (done) => done === 40 && abort.abort(),
      });
      const removed = outcome(results).filter((each) => each === true).length;
      assert.ok(removed >= 40 && removed < ids.length, `${removed} were removed`);
      for (const result of results) {
        if (!result.ok) checkError(result.error, "aborted", { effect: "none" });
      }
      assert.equal((await dco.peers()).length, ids.length - removed);

      await transport.close();
      assert.deepEqual(await dco.peers(), []);
      const next = await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
      allDone(await dco.addPeers(ids.map((id) => peerOf(id, next))));
      await dco.close();
      await end.events.done;
      const reasons = new Map<string, number>();
      for (const { reason } of end.events.of("peer-deleted")) {
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
      assert.deepEqual(Object.fromEntries(reasons), {
        requested: removed,
        "transport-closed": ids.length - removed,
        "interface-removed": ids.length,
      });
    },
  },
  {
    name: "in bulk: an abort leaves the rest undone, and says so for each",
    async run(world) {
      const { dco, transport } = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const ids = Array.from({ length: 200 }, (_, at) => at);
      const peers = ids.map((id) => ({ id, transport, remote: nowhere(id), vpn: { ipv4: `10.9.0.${id}` } }));
      const controller = new AbortController();
      const results = await dco.addPeers(peers, {
        signal: controller.signal,
        onProgress: (done) => done === 100 && controller.abort(),
      });
      const made = outcome(results).filter((each) => each === true).length;
      assert.ok(made >= 100 && made < 200, `${made} were added`);
      for (const result of results) {
        if (!result.ok) checkError(result.error, "aborted", { effect: "none" });
      }
      assert.equal((await dco.peers()).length, made);
    },
  },
]);

function outcome(results: readonly BulkResult<unknown>[]): (true | string)[] {
  return results.map((result) => (result.ok ? true : ((result.error as { code?: string }).code ?? "?")));
}
