/** Namespaces, marks, TUN devices, and connections that were used before. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectSocket, createServer, type Socket } from "node:net";
import type { LinuxInterface } from "../../../../src/linux/index.ts";
import { openUserspaceDriver } from "../../../../src/userspace/index.ts";
import { inTime, rejects } from "../../../conformance/expect.ts";
import { run } from "../../../conformance/linux/command.ts";
import { ip, namespaceOf } from "../../../conformance/linux/raw.ts";
import { assertReaches, assertSilent, vpnOf } from "../../../conformance/tunnel.ts";
import { driverAt } from "../here.ts";
import { example, type Scene } from "../stage.ts";
import { admit, freshEkm, openServer, remoteOf, somewhereAt } from "./ends.ts";

export const linuxScenes: readonly Scene[] = [
  {
    page: "namespaces.md",
    name: "a namespace reaches what only the tunnel leads to, and the socket is in another",
    kernel: true,
    async run({ world, signal }) {
      const { withTunnel } = example("namespaces/namespace.ts");
      const [outer, inner] = world.clients;
      const server = await openServer(world);
      const [ours, theirs] = freshEkm();
      await admit(server, { id: 7, host: 2, remote: somewhereAt(outer) }, ours);
      await ip(world.server, "addr", "add", "198.51.100.7/32", "dev", "lo");
      world.onClose(() => ip(world.server, "addr", "del", "198.51.100.7/32", "dev", "lo"));
      const where = {
        inside: namespaceOf(inner),
        outside: namespaceOf(outer),
        remote: remoteOf(server),
        addresses: ["10.8.0.2/24", "fd00:8::2/64"],
      };
      const body = async (dco: LinuxInterface) => {
        assert.match((await world.inspect(inner, dco.name))?.routes.join() ?? "", /default/);
        assert.equal(await world.inspect(outer, dco.name), undefined);
        await assertReaches(world, inner, "198.51.100.7");
        await assertReaches(world, inner, vpnOf(1).ipv6);
      };
      await withTunnel(where, { peerId: 7, ekm: theirs }, body, signal);
      assert.ok(
        theirs.every((byte) => byte === 0),
        "the keying material is gone",
      );
      assert.equal(await world.inspect(inner, "vpn0"), undefined);
    },
  },
  {
    page: "full-tunnel.md",
    name: "what is marked goes by the rule for its mark",
    kernel: true,
    async run({ world, signal }) {
      const { openMarked } = example("full-tunnel/mark.ts");
      const [client] = world.clients;
      const dco = (await world.createInterface(client, { mode: "p2p" })) as LinuxInterface;
      const transport = await openMarked(dco, `${world.server.ipv4}:1194`, signal);
      const rule = ["fwmark", "7", "prohibit"];
      await transport.send(Uint8Array.of(0x38, 0, 0, 0));
      await ip(client, "rule", "add", ...rule);
      world.onClose(() => ip(client, "rule", "del", ...rule));
      await rejects(() => transport.send(Uint8Array.of(0x38, 0, 0, 0)), "permission");
    },
  },
  {
    page: "userspace.md",
    name: "a TUN device in a namespace has its addresses and routes",
    kernel: true,
    async run({ world, signal }) {
      const { openTun } = example("userspace/tun.ts");
      const [client] = world.clients;
      await run("modprobe", ["tun"]);
      await using driver = await openUserspaceDriver();
      const dco = await openTun(driver, namespaceOf(client), signal);
      const seen = await world.inspect(client, dco.name);
      assert.deepEqual(seen?.addresses, ["10.8.0.2/24", "fd00:8::2/64"]);
      assert.deepEqual(seen?.routes, ["10.66.0.0/16"]);
      await assertSilent(world, client, "10.66.0.1");
    },
  },
  {
    page: "linux.md",
    name: "a connection goes on in the transport, from the frame that was begun",
    async run({ world, signal }) {
      const { handOver } = example("linux/adopt.ts");
      await using driver = driverAt(world, world.clients[0]);
      const dco = await driver.createInterface({ mode: "p2p" });
      const listener = createServer().listen(0, "127.0.0.1");
      await once(listener, "listening");
      const { port } = listener.address() as { port: number };
      const socket = connectSocket(port, "127.0.0.1");
      const [far] = (await once(listener, "connection")) as [Socket];
      try {
        let read = Buffer.alloc(0);
        const onData = (bytes: Uint8Array) => {
          read = Buffer.concat([read, bytes]);
          socket.emit("took");
        };
        socket.on("data", onData);
        const frame = Uint8Array.of(0, 5, 0x38, 1, 2, 3, 4);
        far.write(frame.subarray(0, 3));
        while (read.length < 3) await inTime(once(socket, "took"), "the beginning of a frame");
        const transport = await handOver(dco, socket, onData, read, signal);
        far.write(frame.subarray(3));
        const { value } = await inTime(transport.packets().next(), "the packet");
        assert.deepEqual(Uint8Array.from(value.data), frame.slice(2));
        await transport.close();
      } finally {
        far.destroy();
        listener.close();
      }
    },
  },
];
