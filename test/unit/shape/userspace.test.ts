import { expect, test } from "vitest";
import type { AddPeerRequest, BackendEvent, BackendPeer } from "../../../src/core/backend.ts";
import type { InterfaceMode } from "../../../src/core/model.ts";
import { userspaceCapabilities } from "../../../src/userspace/capabilities.ts";
import {
  type InnerDevice,
  type PacketSocket,
  type PacketStream,
  type UserspaceExchange,
  UserspaceInterface,
  type UserspaceSystem,
} from "../../../src/userspace/shape.ts";
import { turns } from "../core/support.ts";
import { ofType, open, refusal } from "./support.ts";

const DATA_V2 = 9 << 3;

/** A data plane without ciphers: a data packet's inner packet is what follows its first byte. */
class Plane implements UserspaceExchange {
  readonly #peers = new Map<number, { peer: BackendPeer; send: (packet: Uint8Array) => void }>();
  deliver: (packet: Uint8Array) => void = () => {};
  tell: (event: BackendEvent) => void = () => {};

  addPeer({ id, remote }: AddPeerRequest, send: Parameters<UserspaceExchange["addPeer"]>[1]): void {
    const to = remote && { address: remote.text, port: remote.port };
    const none = { local: undefined, vpn4: undefined, vpn6: undefined };
    const peer: BackendPeer = { id, remote: to, ...none, keepalive: "off", txId: id };
    this.#peers.set(id, { peer, send: (packet) => send(packet, to) });
  }

  removePeer(id: number, reason: "userspace" | "transport-disconnect"): void {
    if (!this.#peers.delete(id)) throw refusal("not-found", 0, "none");
    this.tell({ type: "peer-deleted", peer: id, reason });
  }

  peer(id: number): BackendPeer | undefined {
    return this.#peers.get(id)?.peer;
  }

  peers(): BackendPeer[] {
    return [...this.#peers.values()].map(({ peer }) => peer);
  }

  receive(packet: Uint8Array): boolean {
    if (packet[0] !== DATA_V2) return false;
    this.deliver(packet.subarray(1));
    return true;
  }

  transmit(packet: Uint8Array): void {
    for (const { send } of this.#peers.values()) send(Uint8Array.of(DATA_V2, ...packet));
  }

  start(deliver: (packet: Uint8Array) => void, tell: (event: BackendEvent) => void): void {
    this.deliver = deliver;
    this.tell = tell;
  }

  setPeer(): void {}
  stats(): [] {
    return [];
  }
  installKey(): void {}
  swapKeys(): void {}
  deleteKey(): void {}
  keys(): [] {
    return [];
  }
  stop(): void {}
}

/** A socket whose packets the test makes. */
class Socket implements PacketSocket {
  readonly local = { address: "127.0.0.1", port: 5000 };
  readonly remote = { address: "127.0.0.1", port: 6000 };
  readonly family = 4;
  readonly dualStack = false;
  readonly sent: Uint8Array[] = [];
  receive: (packet: Uint8Array) => void = () => {};

  start(onPacket: (packet: Uint8Array, from: { address: string; port: number }) => void): void {
    this.receive = (packet) => onPacket(packet, this.remote);
  }
  async send(packet: Uint8Array): Promise<void> {
    this.sent.push(packet);
  }
  async close(): Promise<void> {}
}

function inner(): InnerDevice {
  let toReader: ReadableStreamDefaultController<Uint8Array>;
  let transmit: (packet: Uint8Array) => void = () => {};
  let [up, carrier] = [false, false];
  const stream: PacketStream = {
    readable: new ReadableStream({
      start: (controller) => {
        toReader = controller;
      },
    }),
    writable: new WritableStream({ write: (packet) => transmit(packet) }),
  };
  return {
    name: "dco0",
    index: 0,
    stream,
    start: (onPacket) => {
      transmit = onPacket;
    },
    deliver: (packet) => toReader.enqueue(packet),
    configure: async (request) => {
      up = request.up ?? up;
    },
    setCarrier: (value) => {
      carrier = value;
    },
    isUp: () => up && carrier,
    close: async () => toReader.close(),
  };
}

async function setUp(mode: InterfaceMode) {
  const sockets: Socket[] = [];
  const make = () => {
    const socket = new Socket();
    sockets.push(socket);
    return socket;
  };
  let accept = () => {};
  const system: UserspaceSystem = {
    open: async () => make(),
    listen: async (_request, onSocket) => {
      accept = () => onSocket(make());
      return { local: { address: "127.0.0.1", port: 5000 }, close: async () => {} };
    },
    inner: inner(),
  };
  const facts = { tun: false, chacha20: true, adoptSocket: true };
  const backend = new UserspaceInterface(mode, facts, new Plane(), system);
  const opened = await open(backend, "userspace", userspaceCapabilities({ ...facts, tun: true }));
  return { ...opened, sockets, accept: () => accept() };
}

test("inner packets go in and out as a stream, and control packets past it", async () => {
  const { dco, sockets } = await setUp("p2p");
  const transport = await dco.openTransport({ protocol: "udp", remote: "127.0.0.1:6000" });
  await dco.addPeer({ id: 5, transport });
  const { readable, writable } = dco.extras as PacketStream;
  const [socket] = sockets as [Socket];
  const control = transport.packets().next();
  socket.receive(Uint8Array.of(DATA_V2, 0x45, 1));
  socket.receive(Uint8Array.of(0x38, 2));
  expect((await readable.getReader().read()).value).toEqual(Uint8Array.of(0x45, 1));
  expect((await control).value?.data).toEqual(Uint8Array.of(0x38, 2));
  expect(transport.counters.droppedData).toBe(0n);
  await writable.getWriter().write(Uint8Array.of(0x45, 3));
  expect(socket.sent).toEqual([Uint8Array.of(DATA_V2, 0x45, 3)]);
});

test("a stream is no interface of the system: its link has an MTU and is up or down, no more", async () => {
  const { dco } = await setUp("p2p");
  expect(dco.index).toBe(0);
  await dco.configure({ mtu: 1400, up: true });
  const refused = { code: "unsupported", capability: "systemInterface" };
  await expect(dco.configure({ addresses: ["10.8.0.2/24"] })).rejects.toMatchObject(refused);
  await expect(dco.configure({ routes: ["10.0.0.0/8"] })).rejects.toMatchObject(refused);
});

test("the link follows the peer, and linkUp waits for it", async () => {
  const { dco, events } = await setUp("p2p");
  await dco.configure({ up: true });
  const up = dco.linkUp();
  const transport = await dco.openTransport({ protocol: "udp", remote: "127.0.0.1:6000" });
  await dco.addPeer({ id: 5, transport });
  await up;
  await dco.removePeer(5);
  await turns();
  expect(events.map((event) => (event.type === "link" ? event.up : event.type))).toEqual([
    true,
    "peer-deleted",
    false,
  ]);
});

test("each connection that a listener takes is a transport of its own", async () => {
  const { dco, accept } = await setUp("multipeer");
  const listener = await dco.listen({ protocol: "tcp", local: "127.0.0.1:5000" });
  accept();
  accept();
  const transports = [];
  for await (const transport of listener) {
    transports.push(transport);
    if (transports.length === 2) break;
  }
  expect(transports.map(({ protocol, remote }) => [protocol, remote?.port])).toEqual([
    ["tcp", 6000],
    ["tcp", 6000],
  ]);
  await dco.addPeer({ id: 1, transport: transports[0] as never, vpn: { ipv4: "10.8.0.2" } });
  expect((await dco.peers()).map(({ id }) => id)).toEqual([1]);
});

test("closing ends all peers at once, and the stream", async () => {
  const { dco, events } = await setUp("p2p");
  const transport = await dco.openTransport({ protocol: "udp", remote: "127.0.0.1:6000" });
  await dco.addPeer({ id: 5, transport });
  await dco.close();
  expect(ofType(events, "peer-deleted")).toMatchObject([{ reason: "interface-removed" }]);
  expect((await (dco.extras as PacketStream).readable.getReader().read()).done).toBe(true);
});
