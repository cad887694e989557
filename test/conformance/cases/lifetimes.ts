/**
 * Lifetimes: abort, close, dispose.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../../src/core/contract.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { group } from "../case.ts";
import { eventually, inTime, rejects } from "../expect.ts";
import { freshKey } from "../keys.ts";
import { SYSTEM } from "../needs.ts";
import { assertReaches, connect, nowhere, openEnd, openTunnel, reachable } from "../tunnel.ts";

const NOWHERE = "192.0.2.99:1194";

export const lifetimeCases = group("lifetimes", [
  {
    name: "a signal that has fired before the call means no effect, for every verb",
    async run(world) {
      const { server, client } = await openTunnel(world);
      const { extras } = world.server;
      const { dco, transport } = server;
      const call = { signal: AbortSignal.abort() };
      const add = { id: 2, transport, remote: NOWHERE, vpn: { ipv4: "10.8.0.9" } };
      const before = [await world.inspect(server.site, dco.name), await dco.peers(), await dco.keys(1)];
      const verbs: Record<string, () => Promise<unknown>> = {
        createInterface: () => world.driver.createInterface({ mode: "p2p", ...extras, ...call }),
        adoptInterface: () => world.driver.adoptInterface(dco.name, { ...extras, ...call }),
        listInterfaces: () => world.driver.listInterfaces({ ...extras, ...call }),
        deleteInterface: () => world.driver.deleteInterface(dco.name, { ...extras, ...call }),
        cleanUp: () => world.driver.cleanUp({ ...extras, ...call }),
        configure: () => dco.configure({ addresses: [], mtu: 1300, up: false }, call),
        linkUp: () => dco.linkUp(call),
        openTransport: () => dco.openTransport({ protocol: "udp", ...call }),
        addPeer: () => dco.addPeer(add, call),
        setPeer: () => dco.setPeer(1, { remote: NOWHERE }, call),
        removePeer: () => dco.removePeer(1, call),
        peer: () => dco.peer(1, call),
        peers: () => dco.peers(call),
        stats: () => dco.stats(call),
        installKey: () => dco.installKey(1, freshKey(1, "secondary"), call),
        swapKeys: () => dco.swapKeys(1, call),
        deleteKey: () => dco.deleteKey(1, "primary", call),
        keys: () => dco.keys(1, call),
        send: () => transport.send(Uint8Array.of(32, 0, 0, 0), { peer: 1, ...call }),
      };
      for (const [operation, verb] of Object.entries(verbs)) {
        await rejects(verb, "aborted", { operation, effect: "none" });
      }
      const after = [await world.inspect(server.site, dco.name), await dco.peers(), await dco.keys(1)];
      assert.deepEqual(after, before);
      assert.equal((await world.driver.listInterfaces(extras)).length, 1);
      await assertReaches(world, client, server.vpn.ipv4);
      assert.equal(client.transport.counters.received, 0n);
    },
  },
  {
    name: "a bulk call with a signal that has fired does nothing, and says so for each item",
    async run(world) {
      const { server } = await openTunnel(world);
      const signal = AbortSignal.abort();
      const one = await server.dco.removePeers([1], { signal }).catch((error: unknown) => error);
      const error = Array.isArray(one) ? (one[0] as { error?: unknown }).error : one;
      assert.ok(DcoError.is(error) && error.code === "aborted" && error.effect === "none", String(error));
      assert.equal((await server.dco.peers()).length, 1);
    },
  },
  {
    name: "removePeer that is aborted under way tells of its effect, and that is true",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      for (let turn = 0; turn < 5; turn++) {
        await end.dco.addPeer({
          id: 1,
          transport: end.transport,
          remote: NOWHERE,
          vpn: { ipv4: "10.8.0.9" },
        });
        const controller = new AbortController();
        const removing = end.dco.removePeer(1, { signal: controller.signal });
        // From at once to well under way.
        for (let wait = 0; wait < turn; wait++) await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        const outcome = await removing.then(
          () => "done" as const,
          (error: unknown) => {
            assert.ok(DcoError.is(error) && error.code === "aborted", String(error));
            assert.ok(error.effect, "the effect is told");
            return error.effect;
          },
        );
        // Waits for its turn behind the removal.
        const peers = (await end.dco.peers()).length;
        if (outcome === "none") assert.equal(peers, 1);
        if (outcome === "done") assert.equal(peers, 0);
        if (outcome === "none") await end.dco.removePeer(1);
        await eventually(
          "peers",
          async () => (await end.dco.peers()).length,
          (count) => count === 0,
        );
      }
      await end.dco.close();
      await end.events.done;
      assert.equal(end.events.of("peer-deleted").length, 5, "each life ended with one event");
    },
  },
  {
    ...SYSTEM,
    name: "createInterface that is aborted under way leaves no interface",
    async run(world) {
      const { extras } = world.server;
      const controller = new AbortController();
      const creating = world.driver.createInterface({ mode: "p2p", signal: controller.signal, ...extras });
      queueMicrotask(() => controller.abort());
      await rejects(creating, "aborted", { effect: "none" });
      const other = await world.openDriver();
      await eventually(
        "interfaces",
        () => other.listInterfaces(extras),
        (found) => found.length === 0,
      );
    },
  },
  {
    name: "closing an interface rejects what is in flight with closed",
    async run(world) {
      const end = await openEnd(world, world.server, { mode: "p2p", host: 1, remote: nowhere(0) });
      await end.dco.addPeer({ id: 1, transport: end.transport, remote: NOWHERE });
      const other = await world.createInterface(world.clients[0], { mode: "p2p" });
      const rejected = Promise.all([
        rejects(end.dco.removePeer(1), "closed", { operation: "removePeer" }),
        rejects(end.dco.peers(), "closed", { operation: "peers" }),
        rejects(other.linkUp(), "closed", { operation: "linkUp" }),
      ]);
      await Promise.all([end.dco.close(), other.close()]);
      await inTime(rejected, "the calls in flight");
    },
  },
  {
    name: "closing the driver rejects what is in flight with closed, and leaves no interface of it",
    async run(world) {
      const other = await world.openDriver();
      const { extras } = world.server;
      const creating = other.createInterface({ mode: "p2p", ...extras });
      const rejected = rejects(creating, "closed");
      await other.close();
      await rejected;
      await eventually(
        "interfaces",
        () => world.driver.listInterfaces(extras),
        (found) => found.length === 0,
      );
    },
  },
  {
    name: "close may be called again, at the same time and afterwards, on every level",
    async run(world) {
      const driver = await world.openDriver();
      const dco = await driver.createInterface({ mode: "p2p", ...world.server.extras });
      const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      for (const each of [transport, dco, driver]) {
        await Promise.all([each.close(), each.close(), each[Symbol.asyncDispose]()]);
        await each.close();
      }
      assert.equal(await world.inspect(world.server, dco.name), undefined);
    },
  },
  {
    name: "asyncDispose closes, on every level",
    async run(world) {
      const driver = await world.openDriver();
      const dco = await driver.createInterface({ mode: "p2p", ...world.server.extras });
      const transport = await dco.openTransport({ protocol: "udp", local: `${world.server.ipv4}:0` });
      await transport[Symbol.asyncDispose]();
      assert.equal(transport.closed, true);
      await dco[Symbol.asyncDispose]();
      assert.equal(dco.closed, true);
      assert.equal(await world.inspect(world.server, dco.name), undefined);
      await driver[Symbol.asyncDispose]();
      await rejects(driver.listInterfaces(), "closed");
    },
  },
  {
    name: "every verb of a closed interface is closed, and has no effect",
    async run(world) {
      const options = { mode: "p2p", host: 1, remote: nowhere(0) } as const;
      const { dco, transport } = await openEnd(world, world.server, options);
      await dco.close();
      const verbs: Record<string, (dco: DcoInterface) => Promise<unknown>> = {
        configure: (dco) => dco.configure({ up: true }),
        linkUp: (dco) => dco.linkUp(),
        openTransport: (dco) => dco.openTransport({ protocol: "udp" }),
        addPeer: (dco) => dco.addPeer({ id: 1, transport, remote: NOWHERE }),
        setPeer: (dco) => dco.setPeer(1, { keepalive: "off" }),
        removePeer: (dco) => dco.removePeer(1),
        peer: (dco) => dco.peer(1),
        peers: (dco) => dco.peers(),
        stats: (dco) => dco.stats(),
        installKey: (dco) => dco.installKey(1, freshKey()),
        swapKeys: (dco) => dco.swapKeys(1),
        deleteKey: (dco) => dco.deleteKey(1, "primary"),
        keys: (dco) => dco.keys(1),
        addPeers: (dco) => dco.addPeers([]),
        installKeys: (dco) => dco.installKeys([]),
        removePeers: (dco) => dco.removePeers([1]),
      };
      for (const [operation, verb] of Object.entries(verbs)) {
        await rejects(() => verb(dco), "closed", { operation, effect: "none" });
      }
      await rejects(transport.send(Uint8Array.of(32, 0, 0, 0), { to: NOWHERE }), "closed");
    },
  },
  {
    name: "calls for one peer at the same time are done in their order",
    async run(world) {
      const server = await openEnd(world, world.server, { mode: "multipeer", host: 1 });
      const remote = reachable(server.site, server.transport);
      const client = await openEnd(world, world.clients[0], { mode: "p2p", host: 2, remote });
      await connect(server, client, { keys: false });
      const { dco } = server;
      const done = await Promise.allSettled([
        dco.installKey(1, freshKey(0)),
        dco.installKey(1, freshKey(1, "secondary")),
        dco.swapKeys(1),
        dco.keys(1),
        dco.removePeer(1),
        dco.keys(1),
      ]);
      assert.deepEqual(
        done.map(({ status }) => status === "fulfilled"),
        [true, true, true, true, true, false],
      );
      const keys = done[3] as PromiseFulfilledResult<readonly { slot: string; id: number }[]>;
      assert.deepEqual(
        keys.value.map(({ slot, id }) => [slot, id]),
        [
          ["primary", 1],
          ["secondary", 0],
        ],
      );
    },
  },
]);
