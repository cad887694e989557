/**
 * The `netlink` package as a second opinion: it reads what this codec writes, and both read what a kernel
 * wrote. It is an optional dependency with a native part, so without it nothing here is tested, and the cases
 * are reported as skipped.
 */

import { describe, expect, test } from "vitest";
import { decodeAddress, newAddress } from "../../../src/netlink/codec/address.ts";
import { decodeFamily, getFamily } from "../../../src/netlink/codec/genl.ts";
import { decodeLink, newLink, setLink } from "../../../src/netlink/codec/link.ts";
import type { NetlinkMessage } from "../../../src/netlink/codec/message.ts";
import { isControl, parseDatagram } from "../../../src/netlink/codec/message.ts";
import { decodeRoute, newRoute } from "../../../src/netlink/codec/route.ts";
import { answersOf, built, bytes, CAPTURED } from "./support.ts";

const oracle = await import("netlink").then(
  (module) => module,
  () => undefined,
);

/** The payload of a message, as the package wants it. */
function payload(message: NetlinkMessage): Buffer {
  return Buffer.from(message.bytes.slice(message.start, message.end));
}

/** Undefined where the package leaves a field out, and a plain array of its Buffers. */
function octets(value: Uint8Array | undefined): number[] | undefined {
  return value === undefined ? undefined : [...value];
}

describe.skipIf(oracle === undefined)("the netlink package", () => {
  const netlink = oracle as NonNullable<typeof oracle>;

  /** The attribute with a number; the package leaves IFLA_LINKINFO as bytes. */
  function within(nest: unknown, number: number): Buffer | undefined {
    let found: Buffer | undefined;
    if (!Buffer.isBuffer(nest)) return undefined;
    netlink.parseAttributes(nest, (attribute) => {
      if (attribute.type === number) found = attribute.data;
    });
    return found;
  }

  function kindIn(linkinfo: unknown): string | undefined {
    const kind = within(linkinfo, 1);
    return kind && netlink.getString(kind);
  }

  function mtuIn(metrics: { readonly mtu?: unknown } | undefined): number | undefined {
    return Buffer.isBuffer(metrics?.mtu) ? netlink.getU32(metrics.mtu) : undefined;
  }

  test("splits every captured datagram into the same messages", () => {
    let count = 0;
    for (const hex of CAPTURED.exchanges.flatMap(({ request, answers }) => [request, ...answers])) {
      const ours = parseDatagram(bytes(hex)).map((message) => ({
        type: message.type,
        flags: message.flags,
        seq: message.sequence,
        port: message.portId,
        data: payload(message),
      }));
      expect(netlink.parseMessages(bytes(hex))).toEqual(ours);
      count += ours.length;
    }
    expect(count).toBeGreaterThan(100);
  });

  test("writes the same GETFAMILY, but for the padding at its end, which it leaves out", () => {
    const header = netlink.formatGenlHeader({ cmd: 3, version: 1 });
    const stream = new netlink.AttrStream();
    stream.emit(netlink.genl.formatMessage({ familyName: "ovpn" }));
    const message = { type: 16, flags: 5, seq: 9, port: 0, data: [header, ...stream.bufs] };
    const theirs = Buffer.concat(netlink.formatMessage(message));
    const ours = built((builder) => getFamily(builder, 9, "ovpn"));
    expect([ours.readUInt32LE(0), theirs.readUInt32LE(0)]).toEqual([32, 29]);
    expect(ours.subarray(4, 29).toString("hex")).toBe(theirs.subarray(4).toString("hex"));
    expect(ours.subarray(29)).toEqual(Buffer.alloc(3));
  });

  test("reads the same families from a kernel", () => {
    for (const name of ["nlctrl", "ethtool", "netdev"]) {
      const [reply] = answersOf(`getfamily ${name}`);
      const ours = decodeFamily(reply as NetlinkMessage);
      const theirs = netlink.genl.parseMessage(payload(reply as NetlinkMessage).subarray(4));
      expect(theirs).toMatchObject({ familyId: ours.id, familyName: ours.name, version: ours.version });
      expect(theirs.ops?.map((operation) => operation.id)).toEqual(ours.operations.map(({ id }) => id));
      expect(Object.fromEntries(theirs.mcastGroups?.map((group) => [group.name, group.id]) ?? [])).toEqual(
        ours.groups,
      );
    }
  });

  test("reads the same links from a kernel", () => {
    for (const message of answersOf("dumplink").filter((each) => !isControl(each))) {
      const ours = decodeLink(message);
      const { data, attrs } = netlink.rt.parseLinkMessage(payload(message));
      expect({
        index: data.index,
        up: data.flags?.up === true,
        running: data.flags?.running === true,
        name: attrs.ifname,
        mtu: attrs.mtu,
        kind: kindIn(attrs.linkinfo),
      }).toEqual({
        index: ours.index,
        up: ours.up,
        running: ours.running,
        name: ours.name,
        mtu: ours.mtu,
        kind: ours.kind,
      });
    }
  });

  test("reads the same addresses from a kernel", () => {
    const messages = answersOf("dumpaddr").filter((each) => !isControl(each));
    expect(messages.length).toBe(4);
    for (const message of messages) {
      const ours = decodeAddress(message);
      const { data, attrs } = netlink.rt.parseAddressMessage(payload(message));
      expect([data.index, data.prefixlen, octets(attrs.local ?? attrs.address)]).toEqual([
        ours?.index,
        ours?.prefixLength,
        octets(ours?.address),
      ]);
    }
  });

  test("reads the same routes from a kernel", () => {
    const messages = answersOf("dumproute all").filter((each) => !isControl(each));
    expect(messages.length).toBeGreaterThan(10);
    for (const message of messages) {
      const ours = decodeRoute(message);
      const { data, attrs } = netlink.rt.parseRouteMessage(payload(message));
      expect([
        data.family,
        octets(attrs.dst),
        data.dstLen,
        octets(attrs.gateway),
        attrs.oif,
        attrs.priority,
        attrs.table,
        mtuIn(attrs.metrics),
        octets(attrs.prefsrc),
        String(data.type).toLowerCase(),
        data.flags?.cloned === true,
      ]).toEqual([
        ours?.family,
        octets(ours?.destination),
        ours?.prefixLength,
        octets(ours?.gateway),
        ours?.interface,
        ours?.metric,
        ours?.table,
        ours?.mtu,
        octets(ours?.source),
        ours?.type,
        ((ours?.flags ?? 0) & 0x200) !== 0,
      ]);
    }
  });

  test("reads the requests that this codec writes", () => {
    const parse = (data: Buffer) => {
      const [message] = netlink.parseMessages(data);
      return message?.data as Buffer;
    };
    const link = netlink.rt.parseLinkMessage(
      parse(built((b) => newLink(b, 1, { name: "ovpn0", kind: "ovpn", mtu: 1400, netnsFd: 9 }))),
    );
    expect(link.attrs).toMatchObject({ ifname: "ovpn0", mtu: 1400, netNsFd: 9 });
    expect(kindIn(link.attrs.linkinfo)).toBe("ovpn");
    const change = netlink.rt.parseLinkMessage(
      parse(built((b) => setLink(b, 1, 7, { up: true, name: "x1", netnsPid: 42 }))),
    );
    expect(change.data).toMatchObject({ index: 7, flags: { up: true }, change: { up: true } });
    expect(change.attrs).toMatchObject({ ifname: "x1", netNsPid: 42 });
    const address = netlink.rt.parseAddressMessage(
      parse(
        built((b) =>
          newAddress(b, 1, {
            index: 7,
            address: Uint8Array.of(10, 8, 0, 1),
            peer: Uint8Array.of(10, 8, 0, 2),
            prefixLength: 32,
            flags: 0x202,
          }),
        ),
      ),
    );
    expect(address.data).toMatchObject({ family: 2, prefixlen: 32, index: 7 });
    expect([octets(address.attrs.local), octets(address.attrs.address)]).toEqual([
      [10, 8, 0, 1],
      [10, 8, 0, 2],
    ]);
    expect(address.attrs.flags).toMatchObject({ nodad: true, noprefixroute: true });
    const route = netlink.rt.parseRouteMessage(
      parse(
        built((b) =>
          newRoute(b, 1, {
            destination: Uint8Array.of(192, 0, 2, 0),
            prefixLength: 24,
            gateway: Uint8Array.of(10, 8, 0, 2),
            onlink: true,
            interface: 7,
            metric: 5,
            mtu: 1300,
            table: 1000,
            type: "unicast",
          }),
        ),
      ),
    );
    expect(route.data).toMatchObject({ family: 2, dstLen: 24, protocol: "STATIC", type: "UNICAST" });
    expect(route.attrs).toMatchObject({ oif: 7, priority: 5, table: 1000 });
    expect(mtuIn(route.attrs.metrics)).toBe(1300);
    expect([octets(route.attrs.dst), octets(route.attrs.gateway)]).toEqual([
      [192, 0, 2, 0],
      [10, 8, 0, 2],
    ]);
  });
});
