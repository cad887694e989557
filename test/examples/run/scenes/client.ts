/** README, first tunnel, reconnect: programs of one end. */
import assert from "node:assert/strict";
import { eventually, inTime, rejects } from "../../../conformance/expect.ts";
import { assertReaches, vpnOf } from "../../../conformance/tunnel.ts";
import { at, driverAt } from "../here.ts";
import { example, type Scene } from "../stage.ts";
import {
  admit,
  CIPHER,
  freshEkm,
  openServer,
  outsideOf,
  remoteOf,
  somewhereAt,
  untilBothReached,
  untilReached,
} from "./ends.ts";

const PEER = 7;

export const clientScenes: readonly Scene[] = [
  {
    page: "README.md",
    name: "the quick start connects to a server, and ends when it is told to",
    async run({ world, said }) {
      const { connect } = example("readme/quickstart.ts");
      const [client] = world.clients;
      const server = await openServer(world);
      const [ours, theirs] = freshEkm();
      await admit(server, { id: PEER, host: 2, remote: somewhereAt(client) }, ours);
      const stop = new AbortController();
      const running = at(world, client, () => connect(remoteOf(server), theirs, stop.signal));
      await untilBothReached(world, client, 1);
      stop.abort();
      await inTime(running, "its end");
      assert.equal(said.length, 2, "the driver, and the counters");
      await at(world, client, () => connect("nowhere", freshEkm()[0], new AbortController().signal));
      assert.match(said.at(-1) ?? "", /^invalid /);
    },
  },
  {
    page: "first-tunnel.md",
    name: "two ends of one program, IPv4 and IPv6 inside; Ctrl-C, and an option that is wrong",
    async run({ world, kernel, said }) {
      const { runTunnel } = example("first-tunnel/tunnel.ts");
      const { main } = example("first-tunnel/main.ts");
      const [client] = world.clients;
      const [ours, theirs] = freshEkm();
      const session = (role: "client" | "server", ekm: Uint8Array) =>
        ({ role, peerId: PEER, cipher: CIPHER, ekm }) as const;
      const place = (own: typeof client, other: typeof client, host: number) => ({
        local: outsideOf(own, kernel),
        remote: outsideOf(other, kernel),
        addresses: [`${vpnOf(host).ipv4}/24`, `${vpnOf(host).ipv6}/64`],
      });
      const stop = new AbortController();
      const far = at(world, world.server, () =>
        runTunnel(place(world.server, client, 1), session("server", ours), stop.signal),
      );
      const near = at(world, client, () => main(place(client, world.server, 2), session("client", theirs)));
      await untilBothReached(world, client, 1);
      await untilBothReached(world, world.server, 2);
      assert.ok(
        [...ours, ...theirs].every((byte) => byte === 0),
        "the keying material is gone",
      );
      process.emit("SIGINT");
      assert.equal(await inTime(near, "the end by Ctrl-C"), 0);
      stop.abort();
      assert.equal(await inTime(far, "the end by the signal"), "stopped");

      const wrong = { ...place(client, world.server, 2), remote: "192.0.2.1:0" };
      const status = await at(world, client, () => main(wrong, session("client", freshEkm()[0])));
      assert.equal(status, 1);
      assert.match(said.at(-1) ?? "", /^remote.* is wrong/);
    },
  },
  {
    page: "reconnect.md",
    name: "a server that forgets its client has it back, after a log-in that fails; a mistake is no reason to try again",
    async run({ world }) {
      const { stayConnected } = example("reconnect/reconnect.ts");
      const [client] = world.clients;
      const server = await openServer(world);
      await using driver = driverAt(world, client);
      const dco = await driver.createInterface({ mode: "p2p" });
      await dco.configure({ addresses: ["10.8.0.2/24", "fd00:8::2/64"], mtu: 1400, up: true });
      const stop = new AbortController();
      let logIns = 0;
      const logIn = async () => {
        if (++logIns === 1) throw new Error("the server is not ready");
        const [ours, theirs] = freshEkm();
        await admit(server, { id: PEER, host: 2, remote: somewhereAt(client) }, ours);
        return { peerId: PEER, cipher: CIPHER, ekm: theirs };
      };
      const options = { logIn, keepalive: { interval: 1, timeout: 3 }, pause: [0.1, 1] } as const;
      const running = stayConnected(dco, { ...options, remote: remoteOf(server) }, stop.signal);
      await untilBothReached(world, client, 1);
      await server.dco.removePeer(PEER);
      await eventually(
        "it logs in again",
        () => logIns,
        (count) => count === 3,
        30_000,
      );
      await untilReached(world, client, vpnOf(1).ipv4);
      await assertReaches(world, server, vpnOf(2).ipv6);
      stop.abort();
      await inTime(running, "its end");
      const wrong = stayConnected(dco, { ...options, remote: "nowhere" }, new AbortController().signal);
      await rejects(wrong, "invalid");
    },
  },
];
