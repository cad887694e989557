import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CIPHERS } from "../../../src/core/model.ts";
import type { Drops } from "../../../src/userspace/data/counters.ts";
import { LAST_PACKET_ID } from "../../../src/userspace/data/packet.ts";
import { at, inner, ip, keyPair, TestClock, TestPlane, tunnel } from "./support.ts";

const UP = inner("10.8.0.2", "10.8.0.1");
const DOWN = inner("10.8.0.1", "10.8.0.2");

function dropped({ plane }: TestPlane): Partial<Drops> {
  return Object.fromEntries(Object.entries(plane.drops).filter(([, count]) => count > 0));
}

describe("packets", () => {
  test.each(CIPHERS)("go both ways with %s, and are counted as a kernel counts them", (cipher) => {
    const { server, client } = tunnel({ cipher });
    for (const packet of [UP, inner("fd00:8::2", "fd00:8::1", 1400)]) client.plane.transmit(packet);
    for (const packet of client.take()) server.receive(packet);
    server.plane.transmit(DOWN);
    for (const packet of server.take()) client.receive(packet, "192.0.2.1", 1194);
    expect(server.delivered.map((packet) => packet.length)).toEqual([100, 1400]);
    expect(server.delivered[0]).toEqual(UP);
    expect(client.delivered).toEqual([DOWN]);
    const up = { rxBytes: 1500n, rxPackets: 2n, txBytes: 100n, txPackets: 1n };
    expect(server.counters(1).tunnel).toEqual(up);
    expect(server.counters(1).link).toEqual({ ...up, rxBytes: 1548n, txBytes: 124n });
    expect(client.counters(1).tunnel).toEqual({
      txBytes: 1500n,
      txPackets: 2n,
      rxBytes: 100n,
      rxPackets: 1n,
    });
    expect([dropped(server), dropped(client)]).toEqual([{}, {}]);
  });

  test("find their peer by the longest prefix of VPN addresses and routes", () => {
    const server = new TestPlane("multipeer");
    const prefix = (text: string, length: number) => ({ ...at("1.2.3.4:5"), bytes: ip(text), length });
    server.add(1, {
      vpn4: ip("10.8.0.2"),
      routes: [prefix("10.0.0.0", 8), prefix("fd00::", 9)],
      vpn6: ip("fd00:8::2"),
    });
    server.add(2, { vpn4: ip("10.8.0.3"), routes: [prefix("10.77.0.0", 16), prefix("0.0.0.0", 0)] });
    const [forServer] = keyPair();
    for (const id of [1, 2]) server.plane.installKey(id, { ...forServer, id });
    const idOf = (to: string) => {
      server.plane.transmit(inner(to.includes(":") ? "::1" : "9.9.9.9", to));
      return server.take().map((packet) => packet.readUInt32BE(0) & 0xffffff)[0];
    };
    expect(["10.8.0.2", "10.8.0.3", "10.8.0.4", "10.77.1.1", "11.1.1.1"].map(idOf)).toEqual([1, 2, 1, 2, 2]);
    expect(["fd00:8::2", "fd7f::1", "fd80::1", "2001::1"].map(idOf)).toEqual([1, 1, undefined, undefined]);
    server.set(2, { routes: [], vpn4: ip("10.8.0.9") });
    expect(["10.8.0.3", "10.8.0.9", "10.77.1.1", "11.1.1.1"].map(idOf)).toEqual([1, 2, 1, undefined]);
  });

  test("find their peer by way of a VPN address, where no peer's own prefix is longer", () => {
    const server = new TestPlane("multipeer");
    const prefix = (text: string, length: number) => ({ ...at("1.2.3.4:5"), bytes: ip(text), length });
    server.add(1, { vpn4: ip("10.8.0.2"), routes: [prefix("10.0.0.0", 8), prefix("10.55.7.0", 24)] });
    server.add(2, { vpn4: ip("10.8.0.3"), vpn6: ip("fd00:8::3") });
    const [forServer] = keyPair();
    for (const id of [1, 2]) server.plane.installKey(id, { ...forServer, id });
    const idOf = (to: string) => {
      server.plane.transmit(inner(to.includes(":") ? "::1" : "9.9.9.9", to));
      return server.take().map((packet) => packet.readUInt32BE(0) & 0xffffff)[0];
    };
    const destinations = ["10.55.1.1", "10.55.7.1", "10.56.0.1", "fd00:55::1", "10.8.0.2", "172.16.0.1"];
    expect(destinations.map(idOf)).toEqual([1, 1, 1, undefined, 1, undefined]);
    server.plane.setGateways([
      { destination: prefix("10.55.0.0", 16), via: ip("10.8.0.3") },
      { destination: prefix("fd00:55::", 64), via: ip("fd00:8::3") },
      { destination: prefix("172.16.0.0", 12), via: ip("10.8.0.99") },
    ]);
    expect(destinations.map(idOf)).toEqual([2, 1, 1, 2, 1, undefined]);
    server.plane.setGateways([]);
    expect(destinations.map(idOf)).toEqual([1, 1, 1, undefined, 1, undefined]);
  });

  test("of a source that is not the peer's are dropped in multipeer mode, and taken in p2p mode", () => {
    const { server, client } = tunnel();
    client.plane.transmit(inner("10.8.0.77", "10.8.0.1"));
    server.plane.transmit(inner("203.0.113.9", "10.8.0.2"));
    for (const packet of client.take()) server.receive(packet);
    for (const packet of server.take()) client.receive(packet);
    expect(dropped(server)).toEqual({ source: 1 });
    expect(server.counters(1).tunnel?.rxPackets).toBe(0n);
    expect(client.delivered).toHaveLength(1);
  });

  test("are dropped and counted where nothing can be done with them", () => {
    const { server, client } = tunnel();
    client.plane.transmit(UP);
    const [packet] = client.take() as [Buffer];
    const forged = packet.with(30, (packet[30] as number) ^ 1);
    server.receive(packet.with(3, 9));
    server.receive(packet.with(0, (9 << 3) | 5));
    server.receive(forged);
    server.receive(packet.subarray(0, 23));
    server.receive(packet.subarray(0, 3));
    server.receive(packet.with(0, 6 << 3));
    server.receive(packet);
    server.receive(packet);
    expect(dropped(server)).toEqual({ unknownPeer: 1, noKey: 1, authentication: 1, malformed: 3, replay: 1 });
    // Of a known peer all are counted on the link.
    expect(server.counters(1).link?.rxPackets).toBe(5n);
    expect(server.counters(1).tunnel?.rxPackets).toBe(1n);
    for (const bad of [
      Buffer.alloc(0),
      Buffer.alloc(19, 0x45),
      Buffer.alloc(39, 0x60),
      Buffer.alloc(60, 0x50),
    ])
      server.plane.transmit(bad);
    server.plane.transmit(inner("10.8.0.1", "10.9.9.9"));
    server.plane.find(1).setKey("primary", undefined);
    server.plane.transmit(DOWN);
    expect(dropped(server)).toMatchObject({ invalid: 4, noPeer: 1, noKey: 2 });
    expect(server.socket.sent).toEqual([]);
    client.socket.full = true;
    client.plane.transmit(UP);
    expect(dropped(client)).toEqual({ notSent: 1 });
    server.takes = false;
    client.socket.full = false;
    server.plane.installKey(1, keyPair(9)[0]);
    client.plane.installKey(1, keyPair(9)[1]);
    client.plane.transmit(UP);
    for (const each of client.take()) server.receive(each);
    expect(dropped(server)).toMatchObject({ notRead: 1 });
    expect(server.counters(1).tunnel?.rxPackets).toBe(1n);
  });

  test("with an inner packet that is neither IP nor the ping are counted as malformed", () => {
    const { server, client } = tunnel();
    const [, forClient] = keyPair(3, { id: 1 });
    server.plane.installKey(1, { ...keyPair(3, { id: 1 })[0] });
    client.plane.installKey(1, forClient);
    const key = client.plane.find(1).primary;
    for (const payload of [Buffer.alloc(0), Buffer.from("x"), Buffer.alloc(100, 0x70)])
      server.receive(key?.seal(payload, 1, 0) as Buffer);
    expect(dropped(server)).toEqual({ malformed: 3 });
  });

  test("with the undefined peer id belong to who is at the sender's address", () => {
    const { server, client } = tunnel();
    client.set(1, { txId: 0xffffff });
    for (let n = 0; n < 2; n++) client.plane.transmit(UP);
    const [one, two] = client.take() as [Buffer, Buffer];
    server.receive(one, "192.0.2.3");
    server.receive(two);
    expect(server.delivered).toHaveLength(1);
    expect(dropped(server)).toEqual({ unknownPeer: 1 });
  });

  test("of anybody, of any bytes, throw nothing, and each is counted or delivered", () => {
    const { server, client } = tunnel();
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc
        .tuple(fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 100 }))
        .map(([key, rest]) => Uint8Array.of((9 << 3) | key, 0, 0, 1, ...rest)),
      fc.tuple(fc.nat(200), fc.nat(255)).map(([where, change]) => {
        client.plane.transmit(UP);
        const [packet] = client.take() as [Buffer];
        const place = where % packet.length;
        return packet.with(place, (packet[place] as number) ^ change);
      }),
    );
    const total = () =>
      Object.values(server.plane.drops).reduce((sum, count) => sum + count, 0) + server.delivered.length;
    fc.assert(
      fc.property(bytes, (packet) => {
        const before = total();
        server.receive(packet);
        expect(total()).toBe(before + 1);
      }),
      { numRuns: 500 },
    );
  });
});

describe("keys", () => {
  test("the primary seals, both slots open, and swap exchanges them", () => {
    const { server, client } = tunnel();
    const [forServer, forClient] = keyPair(2, { slot: "secondary", id: 3 });
    server.plane.installKey(1, forServer);
    client.plane.installKey(1, forClient);
    const sendUp = () => {
      client.plane.transmit(UP);
      const packets = client.take();
      for (const packet of packets) server.receive(packet);
      return packets.map((packet) => (packet[0] as number) & 7);
    };
    expect(sendUp()).toEqual([0]);
    client.plane.find(1).swapKeys();
    expect(sendUp()).toEqual([3]);
    expect(server.delivered).toHaveLength(2);
    expect(client.plane.find(1).keys.map(({ slot, id }) => [slot, id])).toEqual([
      ["primary", 3],
      ["secondary", 0],
    ]);
  });

  test("a key whose packet ids are used up is destroyed and told, once; the secondary stays", () => {
    const { server, client } = tunnel({ firstPacketId: LAST_PACKET_ID });
    client.plane.installKey(1, keyPair(2, { slot: "secondary", id: 3 })[1]);
    for (let n = 0; n < 3; n++) client.plane.transmit(UP);
    for (const packet of client.take()) server.receive(packet);
    expect(server.delivered).toHaveLength(1);
    expect(client.events).toEqual([{ type: "key-exhausted", peer: 1, keyId: 0 }]);
    expect(client.plane.find(1).keys.map(({ id }) => id)).toEqual([3]);
    expect(dropped(client)).toEqual({ noKey: 2 });
  });
});

describe("peers", () => {
  test("with an id, a VPN address or a prefix of another are exists, and leave nothing", () => {
    const { server, client } = tunnel();
    expect(() => server.add(1, { vpn4: ip("10.8.0.9") })).toThrow(/peer 1/);
    expect(() => server.add(2, { vpn4: ip("10.8.0.9"), vpn6: ip("fd00:8::2") })).toThrow(
      /VPN address fd00:8::2/,
    );
    expect(() => client.add(2)).toThrow(/peer 1/);
    server.add(2, { vpn4: ip("10.8.0.9") });
    expect(() => server.set(2, { vpn4: ip("10.8.0.2") })).toThrow(/VPN address/);
    server.plane.transmit(DOWN);
    expect(server.take()).toHaveLength(1);
    expect(server.socket.peers.size).toBe(2);
  });

  test("that end tell their last counters, once, and are gone", () => {
    const { server, client } = tunnel();
    client.plane.transmit(UP);
    for (const packet of client.take()) server.receive(packet);
    const peer = server.plane.find(1);
    server.plane.end(peer, "userspace");
    server.plane.end(peer, "userspace");
    expect(server.events).toMatchObject([
      {
        type: "peer-deleted",
        peer: 1,
        reason: "userspace",
        finalStats: { id: 1, tunnel: { rxBytes: 100n } },
      },
    ]);
    expect(() => server.plane.find(1)).toThrow(/no peer 1/);
    expect([peer.keys, server.socket.peers.size]).toEqual([[], 0]);
    server.plane.transmit(DOWN);
    expect(dropped(server)).toEqual({ noPeer: 1 });
    server.add(1, { vpn4: ip("10.8.0.2") });
  });

  test("float by an authenticated packet from elsewhere, and by nothing else", () => {
    const { server, client } = tunnel();
    for (let n = 0; n < 2; n++) client.plane.transmit(UP);
    const [one, two] = client.take() as [Buffer, Buffer];
    const elsewhere = { address: "198.51.100.7", port: 40000 };
    const from = (packet: Uint8Array, { address, port }: typeof elsewhere) =>
      server.receive(packet, address, port);
    from(one.with(40, (one[40] as number) ^ 1), elsewhere);
    expect(server.plane.find(1).info.remote).toEqual({ address: "192.0.2.2", port: 5000 });
    server.receive(one);
    from(one, elsewhere);
    expect(server.events).toEqual([]);
    from(two, elsewhere);
    expect(server.events).toEqual([{ type: "peer-floated", peer: 1, remote: elsewhere }]);
    expect(server.plane.find(1).info.remote).toEqual(elsewhere);
    server.plane.transmit(DOWN);
    expect(server.socket.sent[0]?.to).toMatchObject(elsewhere);
  });
});

describe("keepalive", () => {
  const keepalive = { interval: 10, timeout: 60 };

  function idle() {
    const clock = new TestClock();
    const { server, client } = tunnel({ clock });
    return { clock, server, client };
  }

  test("pings after an interval without sending, counted on the link only, and taken for nothing else", async () => {
    const { clock, server, client } = idle();
    client.set(1, { keepalive });
    await clock.advance(9);
    expect(client.socket.sent).toEqual([]);
    await clock.advance(1);
    const pings = client.take();
    expect(pings.map((packet) => packet.length)).toEqual([40]);
    for (const packet of pings) server.receive(packet);
    expect(server.delivered).toEqual([]);
    expect(dropped(server)).toEqual({});
    expect(server.counters(1)).toMatchObject({
      link: { rxPackets: 1n, rxBytes: 40n },
      tunnel: { rxPackets: 0n },
    });
    expect(client.counters(1)).toMatchObject({ link: { txPackets: 1n }, tunnel: { txPackets: 0n } });
    await clock.advance(5);
    client.plane.transmit(UP);
    await clock.advance(9);
    expect(client.take()).toHaveLength(1);
    await clock.advance(1);
    expect(client.take()).toHaveLength(1);
  });

  test("ends a peer after the timeout without an authenticated packet, and leaves no timer", async () => {
    const { clock, server, client } = idle();
    server.set(1, { keepalive });
    await clock.advance(50);
    client.plane.transmit(UP);
    for (const packet of client.take()) server.receive(packet);
    server.receive(Buffer.alloc(100, 9 << 3));
    await clock.advance(59);
    expect(server.events).toEqual([]);
    await clock.advance(1);
    expect(server.events).toMatchObject([{ type: "peer-deleted", peer: 1, reason: "expired" }]);
    expect(clock.waiting).toBe(0);
  });

  test("takes a packet that came while the process was busy before it decides", async () => {
    const { clock, server, client } = idle();
    server.set(1, { keepalive });
    client.plane.transmit(UP);
    const [packet] = client.take() as [Buffer];
    clock.whenCaughtUp = () => server.receive(packet);
    clock.block(100);
    await clock.advance(1);
    expect(server.events).toEqual([]);
  });

  test("off stops it, and a new one starts both times anew", async () => {
    const { clock, server } = idle();
    server.set(1, { keepalive });
    await clock.advance(50);
    server.set(1, { keepalive: { interval: 20, timeout: 30 } });
    await clock.advance(29);
    expect(server.events).toEqual([]);
    server.set(1, { keepalive: "off" });
    await clock.advance(1000);
    expect([server.events, clock.waiting]).toEqual([[], 0]);
  });
});
