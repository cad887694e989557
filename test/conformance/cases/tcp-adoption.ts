/**
 * TCP: connections that the caller made and used before.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { group } from "../case.ts";
import { eventually, inTime, pause, rejects } from "../expect.ts";
import { controlPacket, dataPacket, expectPacket, readPackets } from "../packets.ts";
import {
  adoptedForKernel,
  adoptsConnections,
  attach,
  frame,
  numbered,
  numberOf,
  readFrame,
  readToEnd,
} from "../tcp.ts";
import { dataKeyOf, PacketStream, tlsClient, tlsServer } from "../tls.ts";
import { assertReaches, connect, type End, openConnection, openHost } from "../tunnel.ts";
import type { ForeignStream, World } from "../world.ts";

/** Both ends of a connection that the SDK did not make: `mine` is at the server's site. */
async function foreignConnection(world: World): Promise<{ mine: ForeignStream; theirs: ForeignStream }> {
  const listener = await world.acceptStreams(world.clients[0], 4);
  const mine = await world.connectStream(world.server, listener.local);
  return { mine, theirs: await listener.accept() };
}

/** Node's socket over a stream, which is Node's from then on. */
function nodeSocket(world: World, stream: ForeignStream): Socket {
  const socket = new Socket({ fd: stream.release() });
  world.onClose(() => socket.destroy());
  return socket;
}

/** The same socket on a Node that does not tell its descriptor. */
function withoutHandle(socket: Socket): Socket {
  return new Proxy(socket, {
    get(target, name) {
      const value: unknown = name === "_handle" ? undefined : Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function host(world: World): Promise<Omit<End, "transport">> {
  return openHost(world, world.server, { mode: "multipeer", host: 1 });
}

/** Reads frames of a `net.Socket` as programs do: whatever comes, kept until a frame is whole. */
class FrameReader {
  rest = Buffer.alloc(0);
  readonly packets: Buffer[] = [];
  readonly #socket: Socket;
  readonly #onData = (chunk: Buffer) => {
    this.rest = Buffer.concat([this.rest, chunk]);
    while (this.rest.length >= 2 && this.rest.length >= 2 + this.rest.readUInt16BE()) {
      const end = 2 + this.rest.readUInt16BE();
      this.packets.push(this.rest.subarray(2, end));
      this.rest = this.rest.subarray(end);
    }
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#onData);
  }

  /** Stops; `rest` is what is left over. */
  stop(): void {
    this.#socket.removeListener("data", this.#onData);
    this.#socket.pause();
  }
}

export const tcpAdoptionCases = group("tcp adoption", [
  ...(["keep", "take"] as const).map((ownership) => ({
    ...adoptsConnections,
    name: `a descriptor that is ${ownership === "keep" ? "kept stays the caller's" : "taken is closed with the transport"}, and carries a peer`,
    async run(world: World) {
      const { mine, theirs } = await foreignConnection(world);
      const { dco, ...rest } = await host(world);
      const first = controlPacket();
      await theirs.write(frame(first));
      // Adopted with something to read.
      await pause(20);
      const transport = await dco.openTransport({ protocol: "tcp", adopt: { fd: mine.fd, ownership } });
      assert.deepEqual([transport.local, transport.remote], [mine.local, mine.remote]);
      await expectPacket(transport, first);
      await attach({ dco, transport, ...rest });
      const second = controlPacket();
      await theirs.write(frame(second));
      await expectPacket(transport, second);
      await transport.send(first);
      assert.deepEqual(await readFrame(theirs), Buffer.from(first));
      await transport.close();
      assert.equal(mine.isOpen(), ownership === "keep");
      if (ownership === "take") {
        assert.equal((await theirs.readToEnd()).length, 0);
        return;
      }
      // The connection is the caller's again, as a plain stream.
      await theirs.write(Buffer.from("plain"));
      assert.equal((await mine.read(5)).toString(), "plain");
      await mine.write(Buffer.from("PLAIN"));
      assert.equal((await theirs.read(5)).toString(), "PLAIN");
    },
  })),
  {
    ...adoptedForKernel,
    name: "a kept descriptor whose transport waited for a frame is readable for a single byte again",
    async run(world) {
      const { mine, theirs } = await foreignConnection(world);
      const { dco } = await host(world);
      const transport = await dco.openTransport({ protocol: "tcp", adopt: { fd: mine.fd } });
      const packet = controlPacket(1000);
      await theirs.write(frame(packet).subarray(0, 500));
      await pause(50);
      await transport.close();
      const socket = nodeSocket(world, mine);
      const [data] = await inTime(once(socket, "data"), "what the transport left");
      assert.deepEqual(data, frame(packet).subarray(0, 500));
    },
  },
  {
    ...adoptsConnections,
    name: "a net.Socket becomes a transport with what it has read and not given: not a byte is lost, at any cut",
    async run(world) {
      const packets = [numbered(0, 8), numbered(1, 9), numbered(2, 30)];
      const bytes = Buffer.concat(packets.map(frame));
      const { dco, ...rest } = await host(world);
      for (let cut = 0; cut <= bytes.length; cut += 3) {
        const { mine, theirs } = await foreignConnection(world);
        const socket = nodeSocket(world, mine);
        // Node reads ahead although nobody listens.
        socket.read(0);
        await theirs.write(bytes.subarray(0, cut));
        await eventually(
          "what Node reads ahead",
          () => socket.readableLength,
          (length) => length === cut,
        );
        const closed = once(socket, "close");
        const adopt = { socket: cut % 2 === 0 ? socket : withoutHandle(socket) };
        const transport = await dco.openTransport({ protocol: "tcp", adopt });
        assert.equal(socket.destroyed, true);
        await closed;
        assert.deepEqual([transport.local, transport.remote], [mine.local, mine.remote]);
        const attached = attach({ dco, transport, ...rest }, cut + 1);
        await pause(5);
        await theirs.write(bytes.subarray(cut));
        await attached;
        await theirs.write(frame(numbered(3)));
        assert.deepEqual((await readPackets(transport, 4)).map(numberOf), [0, 1, 2, 3], `cut at ${cut}`);
        await transport.send(packets[0] as Uint8Array);
        assert.deepEqual(await readFrame(theirs), Buffer.from(packets[0] as Uint8Array));
        await transport.close();
        assert.equal((await theirs.readToEnd()).length, 0);
      }
    },
  },
  {
    ...adoptsConnections,
    name: "a net.Socket that a program read frames from is taken in mid-stream, with the program's rest as head",
    async run(world) {
      const { dco, ...rest } = await host(world);
      for (let turn = 0; turn < 10; turn++) {
        const { mine, theirs } = await foreignConnection(world);
        const socket = nodeSocket(world, mine);
        const reader = new FrameReader(socket);
        let sent = 0;
        let running = true;
        const sending = (async () => {
          for (; running; sent++) {
            await theirs.write(Buffer.concat([frame(numbered(sent, 50 + (sent % 7))), frame(dataPacket(1))]));
            if (sent % 4 === 0) await pause(1);
          }
        })();
        await eventually(
          "frames that the program reads",
          () => reader.packets.length,
          (count) => count > 30,
        );
        await new Promise((resolve) => socket.write(frame(numbered(7)), resolve));
        reader.stop();
        const adopt = { socket, head: reader.rest };
        const transport = await dco.openTransport({ protocol: "tcp", adopt, queueLimit: 100_000 });
        await attach({ dco, transport, ...rest }, turn + 1);
        await pause(50);
        running = false;
        await sending;
        const isControl = (packet: Buffer) => (packet[0] as number) >> 3 !== 9;
        const before = reader.packets.filter(isControl).map((data) => numberOf({ data }));
        const after = (await readPackets(transport, sent - before.length)).map(numberOf);
        assert.deepEqual(
          [...before, ...after],
          Array.from({ length: sent }, (_, at) => at),
        );
        assert.equal(numberOf({ data: await readFrame(theirs) }), 7);
        await transport.send(numbered(8));
        assert.equal(numberOf({ data: await readFrame(theirs) }), 8);
      }
    },
  },
  {
    ...adoptsConnections,
    name: "an end that Node has read and not told is told by the transport, after what came before it",
    async run(world) {
      const { dco } = await host(world);
      const packet = controlPacket();
      const { mine, theirs } = await foreignConnection(world);
      const socket = nodeSocket(world, mine);
      await theirs.write(frame(packet));
      theirs.end();
      await pause(50);
      const transport = await dco.openTransport({ protocol: "tcp", adopt: { socket } });
      const { packets, error } = await readToEnd(transport);
      assert.deepEqual([packets, error], [[Buffer.from(packet)], undefined]);
      // With nothing before it Node tells it, and ends its own direction.
      const other = await foreignConnection(world);
      const ended = nodeSocket(world, other.mine);
      other.theirs.end();
      await inTime(once(ended, "close"), "Node's end");
      const call = dco.openTransport({ protocol: "tcp", adopt: { socket: ended } });
      await rejects(call, "socket", { field: "adopt.socket", effect: "none" });
    },
  },
  {
    ...adoptedForKernel,
    name: "the rest of a frame that never comes does not keep the peer, the transport or the interface",
    async run(world) {
      const { mine } = await foreignConnection(world);
      const { dco, ...rest } = await host(world);
      const head = frame(controlPacket()).subarray(0, 9);
      const transport = await dco.openTransport({ protocol: "tcp", adopt: { fd: mine.fd, head } });
      const abort = new AbortController();
      const options = { id: 1, transport, vpn: { ipv4: "10.8.0.9" } };
      const aborted = rejects(dco.addPeer(options, { signal: abort.signal }), "aborted", { effect: "none" });
      await pause(20);
      abort.abort();
      await inTime(aborted, "the aborted addPeer", 1000);
      const adding = rejects(attach({ dco, transport, ...rest }, 2), "socket", { effect: "none" });
      await pause(20);
      await inTime(transport.close(), "closing", 2000);
      await inTime(adding, "addPeer", 2000);
      assert.deepEqual(await dco.peers(), []);
    },
  },
  {
    ...adoptsConnections,
    name: "a net.Socket that cannot be taken without harm is refused, says why, and stays as it was",
    async run(world) {
      const { dco } = await host(world);
      const refused = async (socket: Socket, message: RegExp) => {
        const call = dco.openTransport({ protocol: "tcp", adopt: { socket } });
        await rejects(call, "socket", { field: "adopt.socket", effect: "none", message });
      };
      const { mine } = await foreignConnection(world);
      const socket = nodeSocket(world, mine);
      const onData = () => {};
      for (const event of ["data", "readable"] as const) {
        socket.on(event, onData);
        await refused(socket, new RegExp(`listener for ${event}`));
        socket.removeListener(event, onData);
      }
      socket.pause();
      const tls = new TLSSocket(socket);
      tls.on("error", () => {});
      await refused(tls, /is a TLS socket/);

      const other = await foreignConnection(world);
      const full = nodeSocket(world, other.mine);
      full.write(Buffer.alloc(20_000_000));
      await refused(full, /has not yet written all/);
      full.setEncoding("utf8");
      await refused(full, /encoding/);
      full.destroy();
      await refused(full, /is closed/);
      const ended = await foreignConnection(world);
      const half = nodeSocket(world, ended.mine);
      half.end();
      await refused(half, /has ended/);
      await refused(new Socket(), /not a connected TCP socket/);
      const connecting = new Socket();
      connecting.on("error", () => {});
      connecting.connect(9, "127.0.0.1");
      await refused(connecting, /is not connected yet/);
      connecting.destroy();

      const adopt = { socket: mine } as never;
      await rejects(dco.openTransport({ protocol: "tcp", adopt }), "invalid", { field: "adopt.socket" });
      const bad = (adopt: object, field: string, protocol: "udp" | "tcp" = "tcp") =>
        rejects(dco.openTransport({ protocol, adopt } as never), "invalid", { field });
      await bad({ socket: half, fd: 3 }, "adopt.fd");
      await bad({ socket: half, ownership: "take" }, "adopt.ownership");
      await bad({ socket: half, head: "text" }, "adopt.head");
      await bad({ socket: half }, "adopt.socket", "udp");
      await bad({ fd: 3, head: Buffer.alloc(1) }, "adopt.head", "udp");
      await bad({ socket: half, other: 1 }, "adopt.other");
    },
  },
  {
    ...adoptsConnections,
    name: "TLS in the control packets of transports, then peers on them, with keys of that TLS",
    async run(world) {
      const server = await openHost(world, world.server, { mode: "multipeer", host: 1 });
      const client = await openHost(world, world.clients[0], { mode: "p2p", host: 2 });
      const transports = await openConnection(server, client);
      const streams = [transports.server, transports.client].map((transport) => {
        const stream = new PacketStream((packet) => transport.send(packet));
        void (async () => {
          for await (const { data } of transport.packets()) stream.receive(data);
        })().catch(() => {});
        return stream;
      });
      const [atServer, atClient] = [
        tlsServer(streams[0] as PacketStream),
        tlsClient(streams[1] as PacketStream),
      ];
      await inTime(Promise.all([atServer.ready, atClient.ready]), "the handshake");
      await talk(atServer.socket, atClient.socket);
      const ends = [
        { ...server, transport: transports.server },
        { ...client, transport: transports.client },
      ] as const;
      await connect(...ends, { keys: false });
      await ends[0].dco.installKey(1, dataKeyOf(atServer.socket, "server"));
      await ends[1].dco.installKey(1, dataKeyOf(atClient.socket, "client"));
      await assertReaches(world, ends[1], ends[0].vpn.ipv4);
      // The same TLS goes on beside the data.
      await talk(atServer.socket, atClient.socket);
      await assertReaches(world, ends[0], ends[1].vpn.ipv6, { size: 1300 });
    },
  },
  {
    ...adoptsConnections,
    name: "TLS in frames over net.Sockets, which are taken over in the middle of it; the TLS goes on over transports",
    async run(world) {
      const { mine, theirs } = await foreignConnection(world);
      const server = await openHost(world, world.server, { mode: "multipeer", host: 1 });
      const client = await openHost(world, world.clients[0], { mode: "p2p", host: 2 });
      const sides = [mine, theirs].map((stream) => {
        const socket = nodeSocket(world, stream);
        const reader = new FrameReader(socket);
        const packets = new PacketStream(
          (packet) => new Promise((resolve) => socket.write(frame(packet), () => resolve())),
        );
        const feed = () => {
          for (const packet of reader.packets.splice(0)) packets.receive(packet);
        };
        socket.on("data", feed);
        const stop = () => {
          reader.stop();
          socket.removeListener("data", feed);
          return { socket, head: reader.rest };
        };
        return { packets, stop };
      });
      const [one, two] = sides as [(typeof sides)[0], (typeof sides)[0]];
      const [atServer, atClient] = [tlsServer(one.packets), tlsClient(two.packets)];
      await inTime(Promise.all([atServer.ready, atClient.ready]), "the handshake");
      await talk(atServer.socket, atClient.socket);
      // The client talks while its connection, and the server's, are taken over.
      const said: Buffer[] = [];
      atServer.socket.on("data", (chunk: Buffer) => said.push(chunk));
      const lines = Array.from({ length: 50 }, (_, at) => `line ${at}\n`);
      const talking = (async () => {
        for (const line of lines) {
          await new Promise((resolve) => atClient.socket.write(line, resolve));
          await pause(2);
        }
      })();
      await pause(20);
      const ends: End[] = [];
      for (const [at, side] of [one, two].entries()) {
        const owner = at === 0 ? server : client;
        await side.packets.hold();
        const transport = await owner.dco.openTransport({ protocol: "tcp", adopt: side.stop() });
        side.packets.goOn((packet) => transport.send(packet));
        void (async () => {
          for await (const { data } of transport.packets()) side.packets.receive(data);
        })().catch(() => {});
        ends.push({ ...owner, transport });
      }
      const [serverEnd, clientEnd] = ends as [End, End];
      await connect(serverEnd, clientEnd, { keys: false });
      await serverEnd.dco.installKey(1, dataKeyOf(atServer.socket, "server"));
      await clientEnd.dco.installKey(1, dataKeyOf(atClient.socket, "client"));
      await assertReaches(world, clientEnd, serverEnd.vpn.ipv4);
      await talking;
      await eventually(
        "what the client said",
        () => Buffer.concat(said).toString(),
        (text) => text === lines.join(""),
      );
    },
  },
  {
    ...adoptsConnections,
    name: "TLS on the net.Sockets themselves, dropped when both are done: the connections under it carry peers",
    async run(world) {
      const { mine, theirs } = await foreignConnection(world);
      const server = await openHost(world, world.server, { mode: "multipeer", host: 1 });
      const client = await openHost(world, world.clients[0], { mode: "p2p", host: 2 });
      const [below, belowClient] = [nodeSocket(world, mine), nodeSocket(world, theirs)];
      const atServer = tlsServer(below);
      const atClient = tlsClient(belowClient);
      await inTime(Promise.all([atServer.ready, atClient.ready]), "the handshake");
      const keys = [dataKeyOf(atServer.socket, "server"), dataKeyOf(atClient.socket, "client")] as const;
      // The last words in TLS: the client asks; the server has answered, and sends nothing more until it hears a frame.
      const asked = once(atServer.socket, "data");
      const answered = once(atClient.socket, "data");
      await new Promise((resolve) => atClient.socket.write("frames from here on?", resolve));
      assert.equal(String((await inTime(asked, "the question"))[0]), "frames from here on?");
      await new Promise((resolve) => atServer.socket.write("yes", resolve));
      const serverTransport = await server.dco.openTransport({ protocol: "tcp", adopt: { socket: below } });
      assert.equal(String((await inTime(answered, "the answer"))[0]), "yes");
      const clientTransport = await client.dco.openTransport({
        protocol: "tcp",
        adopt: { socket: belowClient },
      });
      const packet = controlPacket();
      await clientTransport.send(packet);
      await expectPacket(serverTransport, packet);
      await serverTransport.send(packet);
      await expectPacket(clientTransport, packet);
      const ends = [
        { ...server, transport: serverTransport },
        { ...client, transport: clientTransport },
      ] as const;
      await connect(...ends, { keys: false });
      await server.dco.installKey(1, keys[0]);
      await client.dco.installKey(1, keys[1]);
      await assertReaches(world, ends[1], ends[0].vpn.ipv4);
      await assertReaches(world, ends[0], ends[1].vpn.ipv6, { size: 1300 });
      for (const { events } of ends) assert.deepEqual(events.of("peer-deleted"), []);
    },
  },
]);

/** A line each way through TLS. */
async function talk(one: TLSSocket, two: TLSSocket): Promise<void> {
  for (const [from, to] of [
    [one, two],
    [two, one],
  ] as const) {
    const heard = once(to, "data");
    from.write("hello");
    assert.equal(String((await inTime(heard, "a line through TLS"))[0]), "hello");
  }
}
