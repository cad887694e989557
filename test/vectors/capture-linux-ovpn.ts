/**
 * Captures what a kernel with the module `ovpn` answers, for test/unit/linux.
 *
 *     node test/vectors/capture-linux-ovpn.ts > test/vectors/linux-ovpn-captured.json
 *
 *     node test/vectors/capture-linux-ovpn.ts policy > test/vectors/linux-ovpn-policy-6.18.json
 *
 * As root on a kernel from 7.1 on (the second form: on an older one), best in a virtual machine: it creates and deletes interfaces. The keys are
 * patterns made for this.
 */

import { createCipheriv } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { OVPN, OVPN_COMMANDS, OVPN_GROUP, PEER } from "../../src/linux/ovpn/messages.ts";
import * as requests from "../../src/linux/ovpn/requests.ts";
import type { MessageBuilder } from "../../src/netlink/codec/builder.ts";
import * as nl from "../../src/netlink/codec/constants.ts";
import { decodeFamily, getFamily, getPolicy } from "../../src/netlink/codec/genl.ts";
import { decodeLink, deleteLink, getLink, newLink, setLink } from "../../src/netlink/codec/link.ts";
import { parseDatagram } from "../../src/netlink/codec/message.ts";
import {
  bindTo,
  closeSocket,
  drain,
  joinGroup,
  listenOn,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  openNetlink,
  openSocket,
  Recorder,
  sendTo,
} from "./capture-support.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;

const route = openNetlink(nl.NETLINK_ROUTE, [NETLINK_EXT_ACK, NETLINK_CAP_ACK]);
const generic = openNetlink(nl.NETLINK_GENERIC, [NETLINK_EXT_ACK, NETLINK_CAP_ACK]);
const echoing = openNetlink(nl.NETLINK_GENERIC, [NETLINK_EXT_ACK]);
const events = openNetlink(nl.NETLINK_GENERIC, []);
const recorder = new Recorder();

/** sockaddr_in of 127.0.0.x. */
function loopback(port: number, host = 1): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, host], 4);
  return address;
}

const localhost6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

function loopback6(port: number): Buffer {
  const address = Buffer.alloc(28);
  address.writeUInt16LE(AF_INET6, 0);
  address.writeUInt16BE(port, 2);
  address.set(localhost6, 8);
  return address;
}

function udp(port: number): number {
  const fd = openSocket(AF_INET, SOCK_DGRAM, 0);
  bindTo(fd, loopback(port));
  return fd;
}

/** An interface that is up. */
function createLink(name: string, mode: number): number {
  recorder.exchange(route, `newlink ${name}`, `mode ${mode}, alias and up in the same send`, (b) => {
    newLink(b, 1, { name, kind: "ovpn", ovpnMode: mode });
    setLink(b, 2, { name }, { alias: "owner 1", up: true });
  });
  const [answer] = recorder.exchange(route, `getlink ${name}`, "reply and acknowledgement", (b) =>
    getLink(b, 3, { name }),
  );
  const [message] = parseDatagram(answer as Buffer);
  return decodeLink(message as NonNullable<typeof message>).index;
}

/** The notifications since the last time; they are sent by work queues, so some arrive a little later. */
async function notifications(name: string, note: string, milliseconds = 300): Promise<void> {
  await sleep(milliseconds);
  recorder.add(name, note, drain(events));
}

// The loopback interface is down in a fresh network namespace.
recorder.exchange(route, "setlink lo", "up", (b) => setLink(b, 1, 1, { up: true }));

const [familyAnswer] = recorder.exchange(generic, "getfamily ovpn", "reply and acknowledgement", (b) =>
  getFamily(b, 5, "ovpn"),
);
const [familyMessage] = parseDatagram(familyAnswer as Buffer);
const { id: family, groups } = decodeFamily(familyMessage as NonNullable<typeof familyMessage>);
const { [OVPN_GROUP]: group = 0 } = groups;
joinGroup(events, group);
recorder.exchange(generic, "getpolicy ovpn", "all commands", (b) => getPolicy(b, 6, family));
recorder.exchange(generic, "getpolicy peer-new", "one command", (b) => getPolicy(b, 7, family, 1));

if (process.argv[2] === "policy") {
  recorder.print("node test/vectors/capture-linux-ovpn.ts policy, as root in a virtual machine", { family });
  process.exit(0);
}

recorder.exchange(route, "newlink bad mode", "mode 7", (b) =>
  newLink(b, 1, { name: "bad0", kind: "ovpn", ovpnMode: 7 }),
);
const server = createLink("ovpn0", 1);
const client = createLink("ovpn1", 0);
const target = { family, ifindex: server };
const p2p = { family, ifindex: client };

const socket4 = udp(1194);
const socket6 = openSocket(AF_INET6, SOCK_DGRAM, 0);
bindTo(socket6, loopback6(1194));
const remote = udp(40000);
const floated = udp(40001);
const remoteAddress = Uint8Array.of(127, 0, 0, 1);
const vpn = (id: number): Uint8Array => Uint8Array.of(10, 8, 0, id);
const vpnIpv6 = Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);

const ask = (name: string, note: string, build: (b: MessageBuilder) => void): Buffer[] =>
  recorder.exchange(generic, name, note, build);

// Peers.
ask("peer-new v4", "with VPN addresses and keepalive", (b) =>
  requests.peerNew(b, target, 10, {
    id: 1,
    socket: socket4,
    remoteAddress,
    remotePort: 40000,
    localAddress: remoteAddress,
    vpnIpv4: vpn(2),
    vpnIpv6,
    keepaliveInterval: 100,
    keepaliveTimeout: 600,
    txId: 77,
  }),
);
ask("peer-new v6", "without keepalive", (b) =>
  requests.peerNew(b, target, 11, {
    id: 2,
    socket: socket6,
    remoteAddress: localhost6,
    remotePort: 40000,
    vpnIpv4: vpn(3),
  }),
);
ask("peer-get v4", "reply and acknowledgement", (b) => requests.peerGet(b, target, 12, 1));
ask("peer-get v6", "reply and acknowledgement", (b) => requests.peerGet(b, target, 13, 2));
ask("peer-get dump", "both", (b) => requests.peerDump(b, target, 14));
ask("peer-get dump p2p", "no peer", (b) => requests.peerDump(b, p2p, 15));
ask("peer-set", "keepalive", (b) =>
  requests.peerSet(b, target, 16, { id: 2, keepaliveInterval: 0, keepaliveTimeout: 0 }),
);

// Keys.
const pattern = (first: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => first + index);
const direction = { key: pattern(0xb0, 16), nonceTail: pattern(0xc0, 8) };
const aesKey = {
  peer: 1,
  slot: "primary",
  keyId: 3,
  cipher: "aes-gcm",
  encrypt: direction,
  decrypt: direction,
} as const;
const chachaDirection = { key: pattern(0xb0, 32), nonceTail: pattern(0xe0, 8) };
ask("key-new", "AES-128-GCM", (b) => requests.keyNew(b, target, 20, aesKey));
ask("key-new secondary", "ChaCha20-Poly1305", (b) =>
  requests.keyNew(b, target, 21, {
    peer: 1,
    slot: "secondary",
    keyId: 4,
    cipher: "chacha20-poly1305",
    encrypt: chachaDirection,
    decrypt: chachaDirection,
  }),
);
ask("key-get", "primary", (b) => requests.keyGet(b, target, 22, 1, "primary"));
ask("key-swap", "", (b) => requests.keySwap(b, target, 23, 1));
ask("key-get after swap", "primary", (b) => requests.keyGet(b, target, 24, 1, "primary"));
ask("key-swap back", "", (b) => requests.keySwap(b, target, 25, 1));
ask("key-del", "secondary", (b) => requests.keyDel(b, target, 26, 1, "secondary"));
ask("key-del empty", "succeeds", (b) => requests.keyDel(b, target, 27, 1, "secondary"));
ask("key-get empty", "ENOENT", (b) => requests.keyGet(b, target, 28, 1, "secondary"));

// What is refused.
const peer = { id: 9, socket: socket4, remoteAddress, remotePort: 40000, vpnIpv4: vpn(9) };
ask("peer-new exists", "EEXIST", (b) => requests.peerNew(b, target, 30, { ...peer, id: 1 }));
ask("peer-new id too large", "ERANGE", (b) => requests.peerNew(b, target, 31, { ...peer, id: 0x1000000 }));
ask("peer-new port 0", "ERANGE", (b) => requests.peerNew(b, target, 32, { ...peer, remotePort: 0 }));
ask("peer-new without port", "EINVAL", (b) =>
  requests.peerNew(b, target, 33, { ...peer, remotePort: undefined }),
);
ask("peer-new without remote", "EINVAL", (b) =>
  requests.peerNew(b, target, 34, { ...peer, remoteAddress: undefined, remotePort: undefined }),
);
ask("peer-new without vpn", "EINVAL", (b) =>
  requests.peerNew(b, target, 35, { ...peer, vpnIpv4: undefined }),
);
ask("peer-new half a keepalive", "EINVAL", (b) =>
  requests.peerNew(b, target, 36, { ...peer, keepaliveInterval: 5 }),
);
ask("peer-new bad fd", "ENOTSOCK", (b) => requests.peerNew(b, target, 37, { ...peer, socket: 4000 }));
const listener = openSocket(AF_INET, SOCK_STREAM, 0);
bindTo(listener, loopback(1195));
listenOn(listener);
ask("peer-new listening TCP", "ENOTSOCK", (b) =>
  requests.peerNew(b, target, 38, { id: 9, socket: listener, vpnIpv4: vpn(9) }),
);
ask("peer-new busy socket", "ENOTSOCK", (b) =>
  requests.peerNew(b, p2p, 39, { id: 9, socket: socket4, remoteAddress, remotePort: 1 }),
);
ask("peer-new vpn in p2p", "EINVAL", (b) => requests.peerNew(b, p2p, 40, { ...peer, socket: remote }));
ask("peer-get unknown", "ENOENT", (b) => requests.peerGet(b, target, 41, 99));
ask("peer-del unknown", "ENOENT", (b) => requests.peerDel(b, target, 42, 99));
ask("key-new unknown peer", "ENOENT", (b) => requests.keyNew(b, target, 43, { ...aesKey, peer: 99 }));
ask("key-new key id 8", "ERANGE", (b) => requests.keyNew(b, target, 44, { ...aesKey, keyId: 8 }));
ask("key-new key size", "EINVAL", (b) =>
  requests.keyNew(b, target, 45, {
    ...aesKey,
    encrypt: { key: pattern(0xb0, 15), nonceTail: pattern(0xc0, 8) },
  }),
);
ask("key-new nonce size", "ERANGE", (b) =>
  requests.keyNew(b, target, 46, {
    ...aesKey,
    decrypt: { key: pattern(0xb0, 16), nonceTail: pattern(0xc0, 7) },
  }),
);
ask("key-new cipher none", "EINVAL", (b) => requests.keyNew(b, target, 47, { ...aesKey, cipher: "none" }));
recorder.exchange(
  echoing,
  "key-new echoed",
  "refused without NETLINK_CAP_ACK: the kernel returns the key",
  (b) => requests.keyNew(b, target, 48, { ...aesKey, keyId: 8 }),
);
ask("no such interface", "ENODEV", (b) => requests.peerDump(b, { family, ifindex: 4000 }, 49));
ask("not an ovpn interface", "EINVAL", (b) => requests.peerGet(b, { family, ifindex: 1 }, 50, 1));

/** A peer request with any attributes in its nest. */
function inPeer(command: number, attributes: (b: MessageBuilder) => void): (b: MessageBuilder) => void {
  return (b) => {
    b.beginMessage(family, nl.NLM_F_REQUEST | nl.NLM_F_ACK, 60);
    b.genlHeader(command);
    b.u32(OVPN.ifindex.number, server);
    const nest = b.beginNest(OVPN.peer.number);
    attributes(b);
    b.endNest(nest);
    b.endMessage();
  };
}
ask(
  "peer-new missing socket",
  "EINVAL, with the nest that lacks it",
  inPeer(OVPN_COMMANDS.peerNew, (b) => b.u32(PEER.id.number, 9)),
);
ask(
  "peer-get missing id",
  "EINVAL, with the nest that lacks it",
  inPeer(OVPN_COMMANDS.peerGet, () => {}),
);
ask(
  "peer-new unknown attribute",
  "EINVAL",
  inPeer(OVPN_COMMANDS.peerNew, (b) => b.u32(99, 1)),
);
ask(
  "peer-new unsupported attribute",
  "EINVAL",
  inPeer(OVPN_COMMANDS.peerNew, (b) => b.u16be(PEER.localPort.number, 1)),
);
ask(
  "peer-new wrong size",
  "EINVAL",
  inPeer(OVPN_COMMANDS.peerNew, (b) => b.u16(PEER.id.number, 1)),
);
ask("peer-get missing nest", "EINVAL", (b) => {
  b.beginMessage(family, nl.NLM_F_REQUEST | nl.NLM_F_ACK, 61);
  b.genlHeader(OVPN_COMMANDS.peerGet);
  b.u32(OVPN.ifindex.number, server);
  b.endMessage();
});
ask("nest without its flag", "EINVAL", (b) => {
  b.beginMessage(family, nl.NLM_F_REQUEST | nl.NLM_F_ACK, 62);
  b.genlHeader(OVPN_COMMANDS.peerGet);
  b.u32(OVPN.ifindex.number, server);
  b.data(OVPN.peer.number, Uint8Array.of(8, 0, 1, 0, 1, 0, 0, 0));
  b.endMessage();
});

// Notifications.
drain(events);

/** DATA_V2 of the worked key: what the remote of peer 1 would send. */
function dataPacket(packetId: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(((9 << 27) | (aesKey.keyId << 24) | 1) >>> 0, 0);
  header.writeUInt32BE(packetId, 4);
  const nonce = Buffer.concat([header.subarray(4), direction.nonceTail]);
  const cipher = createCipheriv("aes-128-gcm", direction.key, nonce).setAAD(header);
  // OpenVPN's ping, as the keepalive sends it.
  const ping = Buffer.from("2a187bf3641eb4cb07ed2d0a981fc748", "hex");
  const sealed = Buffer.concat([cipher.update(ping), cipher.final()]);
  return Buffer.concat([header, cipher.getAuthTag(), sealed]);
}
sendTo(remote, dataPacket(1), loopback(1194));
sendTo(floated, dataPacket(2), loopback(1194));
await notifications("peer-float-ntf", "the second packet of peer 1 came from another port");
ask("peer-get floated", "the new port, and counters", (b) => requests.peerGet(b, target, 70, 1));
ask("peer-del", "peer 1", (b) => requests.peerDel(b, target, 71, 1));
await notifications("peer-del-ntf userspace", "by peer-del");
closeSocket(socket6);
await notifications("peer-del-ntf transport-disconnect", "its socket was closed");
ask("peer-new expiring", "timeout of one second", (b) =>
  requests.peerNew(b, p2p, 72, {
    id: 5,
    socket: socket4,
    remoteAddress,
    remotePort: 40000,
    keepaliveInterval: 1,
    keepaliveTimeout: 1,
  }),
);
recorder.exchange(route, "getlink with carrier", "a peer of a p2p interface raises it", (b) =>
  getLink(b, 73, { index: client }),
);
await notifications("peer-del-ntf expired", "the keepalive timeout passed", 4000);
ask("peer-new last", "", (b) =>
  requests.peerNew(b, p2p, 74, { id: 6, socket: socket4, remoteAddress, remotePort: 40000 }),
);
recorder.exchange(route, "dellink", "both interfaces in one send", (b) => {
  deleteLink(b, 75, { index: client });
  deleteLink(b, 76, { name: "ovpn0" });
});
await notifications("peer-del-ntf teardown", "its interface was deleted");

recorder.print("node test/vectors/capture-linux-ovpn.ts, as root in a virtual machine", {
  family,
  server,
  client,
  socket4,
  group,
});
process.exit(0);
