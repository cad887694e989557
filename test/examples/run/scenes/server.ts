/** Server: many clients, connections, bulk. */
import assert from "node:assert/strict";
import type { Transport } from "../../../../src/core/contract.ts";
import { deriveDataKeys } from "../../../../src/core/key-derivation.ts";
import { eventually, inTime } from "../../../conformance/expect.ts";
import { assertReaches, type End, nowhere, openEnd, reachable, vpnOf } from "../../../conformance/tunnel.ts";
import { at, driverAt } from "../here.ts";
import { example, type Scene, type Stage } from "../stage.ts";
import { CIPHER, freshEkm, openServer, outsideOf, PORT, untilReached } from "./ends.ts";

/** Ends one client: where nobody else can remove it, it falls silent. */
async function endClient({ world, kernel }: Stage, client: End, id: number): Promise<void> {
  if (!kernel) return client.dco.close();
  const driver = await world.openDriver();
  const [found] = await driver.listInterfaces(world.server.extras);
  assert.ok(found);
  const dco = await driver.adoptInterface(found.name, world.server.extras);
  await dco.removePeer(id);
  await driver.close();
}

export const serverScenes: readonly Scene[] = [
  {
    page: "server.md",
    name: "two clients are admitted, one without a key and one with the id of the first are refused, one leaves",
    async run(stage) {
      const { world } = stage;
      const { runServer } = example("server/server.ts");
      const clients = [
        await openEnd(world, world.clients[0], { mode: "p2p", host: 2 }),
        await openEnd(world, world.clients[1], { mode: "p2p", host: 3 }),
      ];
      const refused: string[] = [];
      const gone: string[] = [];
      let admitted = 0;
      const stop = new AbortController();
      const control = {
        async *logins(_: Transport, signal: AbortSignal) {
          const [first] = clients;
          assert.ok(first);
          const none = { ekm: new Uint8Array(256), cipher: CIPHER };
          yield { ...none, peerId: 1, remote: reachable(first.site, first.transport), vpn: first.vpn };
          for (const [index, client] of [...clients, ...clients.slice(0, 1)].entries()) {
            const [ekm, theirs] = freshEkm();
            const id = 1 + (index % clients.length);
            const remote = reachable(client.site, client.transport);
            if (index < clients.length) await join(client, id, theirs);
            yield { peerId: id, remote, vpn: client.vpn, cipher: CIPHER, ekm };
            assert.ok(
              ekm.every((byte) => byte === 0),
              "the keying material is gone",
            );
            admitted++;
          }
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
        refuse: (_: unknown, why: string) => void refused.push(why),
        loggedOut: (id: number, reason: string) => void gone.push(`${id} ${reason}`),
      };
      const join = async (client: End, id: number, ekm: Uint8Array) => {
        const remote = { address: world.server.ipv4, port: PORT };
        const keepalive = { interval: 10, timeout: 60 };
        await client.dco.addPeer({ id, transport: client.transport, remote, keepalive });
        const keys = deriveDataKeys({ source: "tls-ekm", ekm }, "client", CIPHER);
        await client.dco.installKey(id, { slot: "primary", id: 0, cipher: CIPHER, ...keys });
      };
      const local = `${world.server.ipv4}:${PORT}`;
      const running = at(world, world.server, () => runServer(local, control, stop.signal));
      await eventually(
        "all have logged in",
        () => admitted,
        (count) => count === 3,
      );
      assert.deepEqual(refused, ["invalid", "exists"]);
      assert.deepEqual(gone.splice(0), ["1 requested"]);
      for (const client of clients) {
        await untilReached(world, client.site, vpnOf(1).ipv6);
        await assertReaches(world, client, vpnOf(1).ipv4);
      }
      await endClient(stage, clients[0] as End, 1);
      await eventually(
        "the first is gone",
        () => gone.length,
        (count) => count === 1,
        60_000,
      );
      assert.match(gone[0] ?? "", /^1 (expired|external)$/);
      await assertReaches(world, clients[1] as End, vpnOf(1).ipv4);
      stop.abort();
      await inTime(running, "its end");
    },
  },
  {
    page: "server.md",
    name: "connections are served side by side; one that fails is closed",
    async run({ world, kernel }) {
      const { acceptAll } = example("server/tcp.ts");
      await using driver = driverAt(world, world.server);
      const dco = await driver.createInterface({ mode: "multipeer" });
      await using there = driverAt(world, world.clients[0]);
      const client = await there.createInterface({ mode: "p2p" });
      const stop = new AbortController();
      let served = 0;
      const serve = async (transport: Transport) => {
        if (++served === 2) throw new Error("this one fails");
        for await (const { data } of transport.packets()) await transport.send(data);
      };
      const remote = outsideOf(world.server, kernel);
      const running = acceptAll(dco, remote, serve, stop.signal);
      const connect = () => client.openTransport({ protocol: "tcp", remote });
      const first = await eventually(
        "a connection",
        () => connect().catch(() => undefined),
        (made) => made !== undefined,
      );
      const second = await connect();
      const packet = Uint8Array.of(0x38, 1, 2, 3, 4);
      await first?.send(packet);
      const echo = await inTime(
        first?.packets().next() as Promise<IteratorResult<{ data: Uint8Array }>>,
        "an echo",
      );
      assert.deepEqual(Uint8Array.from(echo.value.data), packet);
      const end = await inTime(second.packets().next(), "the end of the second");
      assert.equal(end.done, true);
      stop.abort();
      await inTime(running, "its end");
    },
  },
  {
    page: "server.md",
    name: "of many peers each has its own result",
    async run({ world, signal }) {
      const { addAll } = example("server/many.ts");
      const { dco, transport } = await openServer(world);
      const peer = (id: number, host: number) => ({ id, transport, remote: nowhere(id), vpn: vpnOf(host) });
      const refused = await addAll(dco, [peer(1, 2), peer(2, 3), peer(1, 4)], signal);
      assert.deepEqual([...refused.keys()], [1]);
      assert.deepEqual((await dco.peers()).map(({ id }) => id).sort(), [1, 2]);
    },
  },
];
