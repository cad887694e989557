/**
 * Captures what a real Linux kernel answers to netlink requests, for test/unit/linux.
 *
 *     unshare --net node test/vectors/capture-linux-netlink.ts > test/vectors/linux-netlink-captured.json
 *
 * As root, in an empty network namespace: it creates and deletes links. The requests come from the codec's
 * builder; the answers are the kernel's bytes, one hexadecimal string for each recv.
 */

import { deleteAddress, dumpAddresses, newAddress } from "../../src/netlink/codec/address.ts";
import type { MessageBuilder } from "../../src/netlink/codec/builder.ts";
import * as nl from "../../src/netlink/codec/constants.ts";
import { decodeFamily, getFamily, getPolicy, NLCTRL } from "../../src/netlink/codec/genl.ts";
import {
  decodeLink,
  deleteLink,
  dumpLinks,
  getLink,
  newLink,
  setLink,
} from "../../src/netlink/codec/link.ts";
import { parseDatagram } from "../../src/netlink/codec/message.ts";
import { deleteRoute, dumpRoutes, getRoute, newRoute } from "../../src/netlink/codec/route.ts";
import { AF_INET, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE } from "../../src/netlink/codec/rtnl.ts";
import {
  drain,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  openNetlink,
  Recorder,
} from "./capture-support.ts";

const strict = [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK];
const generic = openNetlink(nl.NETLINK_GENERIC, strict);
const genericEcho = openNetlink(nl.NETLINK_GENERIC, [NETLINK_EXT_ACK]);
const genericBare = openNetlink(nl.NETLINK_GENERIC, []);
const route = openNetlink(nl.NETLINK_ROUTE, strict);
const monitor = openNetlink(nl.NETLINK_ROUTE, [], 0x1 | 0x10 | 0x40 | 0x100 | 0x400);

const recorder = new Recorder();
const exchange = recorder.exchange.bind(recorder);

/** A request with the codec's own checks left out. */
function raw(type: number, header: readonly number[], attributes: (b: MessageBuilder) => void, flags = 0) {
  return (b: MessageBuilder): void => {
    b.beginMessage(type, nl.NLM_F_REQUEST | nl.NLM_F_ACK | flags, 77);
    for (const word of header) b.word(word);
    attributes(b);
    b.endMessage();
  };
}

function familyId(name: string): number | undefined {
  const [first] = exchange(generic, `getfamily ${name}`, "reply and acknowledgement, or ENOENT", (b) =>
    getFamily(b, 5, name),
  );
  const [message] = first === undefined ? [] : parseDatagram(first);
  return message === undefined || message.type === nl.NLMSG_ERROR ? undefined : decodeFamily(message).id;
}

// Generic netlink: the controller.
familyId("nlctrl");
familyId("no-such-family");
exchange(genericEcho, "getfamily unknown, echoed", "without NETLINK_CAP_ACK", (b) =>
  getFamily(b, 6, "no-such-family"),
);
exchange(genericBare, "getfamily unknown, bare", "without NETLINK_EXT_ACK", (b) =>
  getFamily(b, 6, "no-such-family"),
);
exchange(generic, "getpolicy nlctrl", "dump of the policies of nlctrl", (b) => getPolicy(b, 7, NLCTRL));
exchange(generic, "getpolicy nlctrl getfamily", "dump of one command's policy", (b) =>
  getPolicy(b, 8, NLCTRL, 3),
);
exchange(generic, "getpolicy of no family", "ENOENT before the dump starts", (b) => getPolicy(b, 9, 4000));
exchange(
  generic,
  "getpolicy unknown attribute",
  "strict validation: attribute 99",
  raw(
    NLCTRL,
    [10 | (2 << 8)],
    (b) => {
      b.u16(1, NLCTRL);
      b.u32(99, 1);
    },
    nl.NLM_F_DUMP,
  ),
);
exchange(
  generic,
  "getfamily wrong size",
  "familyId as u32",
  raw(NLCTRL, [3 | (2 << 8)], (b) => b.u32(1, 16)),
);

// Families with nests and ranges that most kernels have.
const ethtool = familyId("ethtool");
if (ethtool !== undefined) {
  const linkinfoGet = 2;
  const inHeader = (attributes: (b: MessageBuilder) => void) =>
    raw(ethtool, [linkinfoGet | (1 << 8)], (b) => {
      const nest = b.beginNest(1);
      attributes(b);
      b.endNest(nest);
    });
  exchange(
    generic,
    "ethtool no such index",
    "points at header.dev-index",
    inHeader((b) => b.u32(1, 424242)),
  );
  exchange(
    generic,
    "ethtool unknown nested attribute",
    "points at attribute 99 in the header nest",
    inHeader((b) => {
      b.u32(1, 1);
      b.u32(99, 1);
    }),
  );
  exchange(
    generic,
    "ethtool nested flag missing",
    "header nest without NLA_F_NESTED",
    raw(ethtool, [linkinfoGet | (1 << 8)], (b) => b.data(1, Uint8Array.of(8, 0, 1, 0, 1, 0, 0, 0))),
  );
  exchange(
    genericEcho,
    "ethtool nested, echoed",
    "points at header.dev-index; the request is echoed",
    inHeader((b) => b.u32(1, 424242)),
  );
}
const netdev = familyId("netdev");
if (netdev !== undefined) {
  exchange(generic, "getpolicy netdev", "dump of a family with nests", (b) => getPolicy(b, 10, netdev));
  exchange(
    generic,
    "netdev missing attribute",
    "dev-get without ifindex",
    raw(netdev, [1 | (1 << 8)], () => {}),
  );
  exchange(
    generic,
    "netdev out of range",
    "dev-get with ifindex 0",
    raw(netdev, [1 | (1 << 8)], (b) => b.u32(1, 0)),
  );
}

// rtnetlink.
const v4 = (a: number, b: number, c: number, d: number): Uint8Array => Uint8Array.of(a, b, c, d);
const v6 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(":", ""), "hex"));
exchange(route, "newlink no such kind", "a kind that no module has", (b) =>
  newLink(b, 20, { name: "ovpn0", kind: "ovpn-missing", ovpnMode: 1 }),
);
exchange(route, "newlink name too long", "16 characters", (b) =>
  newLink(b, 21, { name: "a234567890123456", kind: "ifb" }),
);
exchange(route, "newlink", "ifb d0 with MTU, and its alias by name in the same send", (b) => {
  newLink(b, 22, { name: "d0", kind: "ifb", mtu: 1400 });
  setLink(b, 22, { name: "d0" }, { alias: "owner 1" });
});
const [reply] = exchange(route, "getlink by name", "reply and acknowledgement", (b) =>
  getLink(b, 23, { name: "d0" }),
);
const [linkMessage] = parseDatagram(reply as Buffer);
const index = decodeLink(linkMessage as NonNullable<typeof linkMessage>).index;
exchange(route, "newlink exists", "EEXIST", (b) => newLink(b, 24, { name: "d0", kind: "ifb" }));
exchange(
  route,
  "newlink wrong size",
  "MTU of three bytes",
  raw(RTM_NEWLINK, [0, index, 0, 0], (b) => b.data(4, Uint8Array.of(1, 2, 3))),
);
exchange(
  route,
  "newlink wrong nested size",
  "a bridge whose info.data has attribute 1 (forward delay, u32) with two bytes",
  raw(
    RTM_NEWLINK,
    [0, 0, 0, 0],
    (b) => {
      b.string(3, "br0");
      const info = b.beginNest(18);
      b.string(1, "bridge");
      const data = b.beginNest(2);
      b.u16(1, 1);
      b.endNest(data);
      b.endNest(info);
    },
    nl.NLM_F_CREATE,
  ),
);
exchange(route, "newlink MTU too small", "a bridge", (b) =>
  newLink(b, 25, { name: "br0", kind: "bridge", mtu: 10 }),
);
exchange(route, "setlink", "up", (b) => setLink(b, 26, index, { up: true }));
exchange(route, "getlink by index", "reply and acknowledgement", (b) => getLink(b, 27, { index }));
exchange(route, "getlink unknown", "ENODEV", (b) => getLink(b, 28, { name: "none0" }));
exchange(route, "newaddr v4", "10.8.0.1/24", (b) =>
  newAddress(b, 30, { index, address: v4(10, 8, 0, 1), prefixLength: 24 }),
);
exchange(route, "newaddr v4 again", "EEXIST", (b) =>
  newAddress(b, 31, { index, address: v4(10, 8, 0, 1), prefixLength: 24 }),
);
exchange(route, "newaddr v4 peer", "10.9.0.1 peer 10.9.0.2/32", (b) =>
  newAddress(b, 32, { index, address: v4(10, 9, 0, 1), peer: v4(10, 9, 0, 2), prefixLength: 32 }),
);
exchange(route, "newaddr v6", "fd00::1/64 nodad", (b) =>
  newAddress(b, 33, {
    index,
    address: v6("fd00:0000:0000:0000:0000:0000:0000:0001"),
    prefixLength: 64,
    flags: 2,
  }),
);
exchange(
  route,
  "newaddr prefix too long",
  "prefix length 33",
  raw(RTM_NEWADDR, [AF_INET | (33 << 8), index], (b) => b.data(2, v4(10, 8, 0, 9)), nl.NLM_F_CREATE),
);
exchange(route, "dumpaddr", "of one interface", (b) => dumpAddresses(b, 34, index));
exchange(route, "newroute v4", "192.0.2.0/24 via 10.8.0.2 metric 50 mtu 1300 table 1000", (b) =>
  newRoute(b, 40, {
    destination: v4(192, 0, 2, 0),
    prefixLength: 24,
    gateway: v4(10, 8, 0, 2),
    interface: index,
    metric: 50,
    mtu: 1300,
    table: 1000,
  }),
);
exchange(route, "newroute v4 onlink", "198.51.100.0/24 via 10.77.0.1 onlink", (b) =>
  newRoute(b, 41, {
    destination: v4(198, 51, 100, 0),
    prefixLength: 24,
    gateway: v4(10, 77, 0, 1),
    onlink: true,
    interface: index,
  }),
);
exchange(route, "newroute v4 gateway unreachable", "the same without onlink", (b) =>
  newRoute(b, 42, {
    destination: v4(203, 0, 113, 0),
    prefixLength: 24,
    gateway: v4(10, 77, 0, 1),
    interface: index,
  }),
);
exchange(route, "newroute v4 link", "10.66.0.0/16 dev d0", (b) =>
  newRoute(b, 43, { destination: v4(10, 66, 0, 0), prefixLength: 16, interface: index }),
);
exchange(route, "newroute v4 blackhole", "10.67.0.0/16", (b) =>
  newRoute(b, 44, { destination: v4(10, 67, 0, 0), prefixLength: 16, type: "blackhole" }),
);
exchange(route, "newroute v4 default", "0.0.0.0/0 via 10.8.0.2", (b) =>
  newRoute(b, 45, {
    destination: v4(0, 0, 0, 0),
    prefixLength: 0,
    gateway: v4(10, 8, 0, 2),
    interface: index,
  }),
);
exchange(route, "newroute v6", "2001:db8::/32 via fd00::2", (b) =>
  newRoute(b, 46, {
    destination: v6("2001:0db8:0000:0000:0000:0000:0000:0000"),
    prefixLength: 32,
    gateway: v6("fd00:0000:0000:0000:0000:0000:0000:0002"),
    interface: index,
    metric: 7,
  }),
);
exchange(route, "newroute v6 unreachable", "2001:db8:1::/48", (b) =>
  newRoute(b, 47, {
    destination: v6("2001:0db8:0001:0000:0000:0000:0000:0000"),
    prefixLength: 48,
    type: "unreachable",
  }),
);
exchange(route, "newroute host bits", "10.8.0.1/24", (b) =>
  newRoute(b, 48, { destination: v4(10, 8, 0, 1), prefixLength: 24, interface: index }),
);
exchange(
  route,
  "newroute metrics unknown",
  "metric 99 in the metrics nest",
  raw(
    RTM_NEWROUTE,
    [AF_INET | (16 << 8), 254 | (4 << 8) | (253 << 16) | (1 << 24), 0],
    (b) => {
      b.data(1, v4(10, 99, 0, 0));
      b.u32(4, index);
      const nest = b.beginNest(8);
      b.u32(99, 1);
      b.endNest(nest);
    },
    nl.NLM_F_CREATE,
  ),
);
exchange(route, "dumproute v4", "main and table 1000", (b) => dumpRoutes(b, 49, AF_INET));
exchange(route, "dumproute all", "both families", (b) => dumpRoutes(b, 50));
exchange(route, "getroute v4", "to 192.0.2.9", (b) => getRoute(b, 51, { destination: v4(192, 0, 2, 9) }));
exchange(route, "getroute v4 mark and interface", "to 198.51.100.9", (b) =>
  getRoute(b, 52, { destination: v4(198, 51, 100, 9), mark: 5, interface: index }),
);
exchange(route, "getroute v4 blackhole", "to 10.67.0.1", (b) =>
  getRoute(b, 53, { destination: v4(10, 67, 0, 1) }),
);
exchange(route, "getroute v6", "to 2001:db8::5", (b) =>
  getRoute(b, 54, { destination: v6("2001:0db8:0000:0000:0000:0000:0000:0005") }),
);
exchange(route, "delroute v4", "192.0.2.0/24 in table 1000", (b) =>
  deleteRoute(b, 55, { destination: v4(192, 0, 2, 0), prefixLength: 24, table: 1000 }),
);
exchange(route, "delroute v4 again", "ESRCH", (b) =>
  deleteRoute(b, 56, { destination: v4(192, 0, 2, 0), prefixLength: 24, table: 1000 }),
);
exchange(route, "delroute v6", "2001:db8::/32", (b) =>
  deleteRoute(b, 57, { destination: v6("2001:0db8:0000:0000:0000:0000:0000:0000"), prefixLength: 32 }),
);
exchange(route, "deladdr v4", "10.8.0.1/24", (b) =>
  deleteAddress(b, 58, { index, address: v4(10, 8, 0, 1), prefixLength: 24 }),
);
exchange(route, "deladdr v4 again", "EADDRNOTAVAIL", (b) =>
  deleteAddress(b, 59, { index, address: v4(10, 8, 0, 1), prefixLength: 24 }),
);
exchange(route, "setlink rename", "down, then d1", (b) => {
  setLink(b, 60, index, { up: false });
  setLink(b, 61, index, { name: "d1", alias: "" });
});
exchange(route, "dumplink", "all links", (b) => dumpLinks(b, 62));
exchange(route, "dellink", "d1", (b) => deleteLink(b, 63, { name: "d1" }));
exchange(route, "dellink again", "ENODEV", (b) => deleteLink(b, 64, { index }));
recorder.add(
  "notifications",
  "what a socket in the groups link, addresses and routes saw meanwhile",
  drain(monitor),
);
recorder.print("unshare --net node test/vectors/capture-linux-netlink.ts, as root", { index });
