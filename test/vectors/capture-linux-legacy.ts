/**
 * Captures what a kernel with the out-of-tree module `ovpn-dco-v2` answers, for test/unit/linux.
 *
 *     node test/vectors/capture-linux-legacy.ts > test/vectors/linux-legacy-captured.json
 *
 * As root, best in a virtual machine (`ci/vm/run --legacy`): it creates and deletes interfaces. The keys are patterns
 * made for this.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { packSockaddrBytes } from "../../src/ffi/sockaddr.ts";
import { LEGACY_FAMILY, LEGACY_LINK_KIND } from "../../src/linux/legacy/messages.ts";
import * as requests from "../../src/linux/legacy/requests.ts";
import type { MessageBuilder } from "../../src/netlink/codec/builder.ts";
import * as nl from "../../src/netlink/codec/constants.ts";
import { decodeFamily, getFamily, getPolicy } from "../../src/netlink/codec/genl.ts";
import { decodeLink, deleteLink, getLink, newLink, setLink } from "../../src/netlink/codec/link.ts";
import { parseDatagram } from "../../src/netlink/codec/message.ts";
import {
  bindTo,
  drain,
  joinGroup,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  openNetlink,
  openSocket,
  Recorder,
  sendTo,
} from "./capture-support.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;

const route = openNetlink(nl.NETLINK_ROUTE, [NETLINK_EXT_ACK, NETLINK_CAP_ACK]);
const generic = openNetlink(nl.NETLINK_GENERIC, [NETLINK_EXT_ACK, NETLINK_CAP_ACK]);
const events = openNetlink(nl.NETLINK_GENERIC, []);
const recorder = new Recorder();

const local4 = Uint8Array.of(127, 0, 0, 1);
const local6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

function udp(address: Uint8Array, port: number): number {
  const fd = openSocket(address.length === 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
  bindTo(fd, packSockaddrBytes(address, port, 0, "linux"));
  return fd;
}

/** An interface that is up. */
function createLink(name: string, mode: number): number {
  recorder.exchange(route, `newlink ${name}`, `mode ${mode}, and up in the same send`, (b) => {
    newLink(b, 1, { name, kind: LEGACY_LINK_KIND, ovpnMode: mode });
    setLink(b, 2, { name }, { up: true });
  });
  const [answer] = recorder.exchange(route, `getlink ${name}`, "it does not tell its mode", (b) =>
    getLink(b, 3, { name }),
  );
  const [message] = parseDatagram(answer as Buffer);
  return decodeLink(message as NonNullable<typeof message>).index;
}

/** The notifications since the last time; a work queue sends them. */
async function notifications(name: string, note: string, milliseconds = 500): Promise<void> {
  await sleep(milliseconds);
  recorder.add(name, note, drain(events));
}

recorder.exchange(route, "setlink lo", "up", (b) => setLink(b, 1, 1, { up: true }));
const [familyAnswer] = recorder.exchange(generic, "getfamily", "reply and acknowledgement", (b) =>
  getFamily(b, 5, LEGACY_FAMILY),
);
const [familyMessage] = parseDatagram(familyAnswer as Buffer);
const { id: family, groups } = decodeFamily(familyMessage as NonNullable<typeof familyMessage>);
const { peers: group = 0 } = groups;
joinGroup(events, group);
recorder.exchange(generic, "getpolicy", "all commands", (b) => getPolicy(b, 6, family));

const server = createLink("dco0", 1);
const client = createLink("dco1", 0);
const target = { family, ifindex: server };
const p2p = { family, ifindex: client };

const socket4 = udp(local4, 1194);
const socket6 = udp(local6, 1194);
const remote = udp(local4, 40000);
const vpn = (id: number): Uint8Array => Uint8Array.of(10, 8, 0, id);
const vpnIpv6 = Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);

const ask = (name: string, note: string, build: (b: MessageBuilder) => void): Buffer[] =>
  recorder.exchange(generic, name, note, build);

// Peers.
const peer4 = {
  id: 1,
  socket: socket4,
  remoteAddress: local4,
  remotePort: 40000,
  localAddress: local4,
  vpnIpv4: vpn(2),
  vpnIpv6,
};
const peer6 = { id: 2, socket: socket6, remoteAddress: local6, remotePort: 40000, vpnIpv4: vpn(3) };
ask("newPeer v4", "with all that it takes", (b) => requests.newPeer(b, target, 10, peer4));
ask("newPeer v6", "", (b) => requests.newPeer(b, target, 11, peer6));
ask("setPeer", "keepalive", (b) =>
  requests.setPeer(b, target, 12, { id: 1, keepaliveInterval: 100, keepaliveTimeout: 600 }),
);
ask("getPeer v4", "reply and acknowledgement", (b) => requests.getPeer(b, target, 13, 1));
ask("getPeer v6", "reply and acknowledgement", (b) => requests.getPeer(b, target, 14, 2));
ask("getPeer dump", "both", (b) => requests.dumpPeers(b, target, 15));

// Keys.
const pattern = (first: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => first + index);
const direction = { key: pattern(0xa0, 16), nonceTail: pattern(0xc0, 8) };
const aesKey = {
  peer: 1,
  slot: "primary",
  keyId: 3,
  cipher: "aes-gcm",
  encrypt: direction,
  decrypt: direction,
} as const;
const chacha = { key: pattern(0xb0, 32), nonceTail: pattern(0xe0, 8) };
ask("newKey", "AES-128-GCM", (b) => requests.newKey(b, target, 20, aesKey));
ask("newKey secondary", "ChaCha20-Poly1305", (b) =>
  requests.newKey(b, target, 21, {
    peer: 1,
    slot: "secondary",
    keyId: 4,
    cipher: "chacha20-poly1305",
    encrypt: chacha,
    decrypt: chacha,
  }),
);
ask("swapKeys", "", (b) => requests.swapKeys(b, target, 22, 1));
ask("delKey", "secondary", (b) => requests.delKey(b, target, 23, 1, "secondary"));
ask("delKey empty", "succeeds", (b) => requests.delKey(b, target, 24, 1, "secondary"));

// What is refused: numbers without a text.
ask("newPeer exists", "EEXIST", (b) => requests.newPeer(b, target, 30, { ...peer4, vpnIpv4: vpn(9) }));
ask("newPeer same vpn", "is taken", (b) => requests.newPeer(b, target, 31, { ...peer6, id: 3 }));
ask("newPeer without remote", "EINVAL", (b) =>
  requests.newPeer(b, target, 32, { ...peer4, id: 9, remoteAddress: undefined, localAddress: undefined }),
);
ask("newPeer bad fd", "ENOTSOCK", (b) => requests.newPeer(b, target, 33, { ...peer4, id: 9, socket: 4000 }));
ask("newPeer busy socket", "ENOTSOCK", (b) =>
  requests.newPeer(b, p2p, 34, { id: 9, socket: socket4, remoteAddress: local4, remotePort: 1 }),
);
ask("modeProbe multipeer", "EINVAL", (b) => requests.modeProbe(b, target, 35));
ask("modeProbe p2p", "ENOTSOCK", (b) => requests.modeProbe(b, p2p, 36));
ask("getPeer unknown", "ENOENT", (b) => requests.getPeer(b, target, 37, 99));
ask("delPeer unknown", "ENOENT", (b) => requests.delPeer(b, target, 38, 99));
ask("newKey unknown peer", "ENOENT", (b) => requests.newKey(b, target, 39, { ...aesKey, peer: 99 }));
ask("newKey key size", "EINVAL", (b) =>
  requests.newKey(b, target, 40, {
    ...aesKey,
    encrypt: { key: pattern(0xb0, 15), nonceTail: direction.nonceTail },
  }),
);
ask("newKey nonce size", "ERANGE, by the policy", (b) =>
  requests.newKey(b, target, 41, { ...aesKey, decrypt: { key: direction.key, nonceTail: pattern(0xc0, 7) } }),
);
ask("newKey cipher none", "EINVAL", (b) => requests.newKey(b, target, 42, { ...aesKey, cipher: "none" }));
ask("no such interface", "ENODEV", (b) => requests.getPeer(b, { family, ifindex: 4000 }, 43, 1));
ask("another kind of interface", "EINVAL", (b) => requests.getPeer(b, { family, ifindex: 1 }, 44, 1));

// A peer floats before anything of the packet was looked at, and the counters count what comes.
drain(events);
const floated = udp(local4, 40001);
const junk = Buffer.concat([Buffer.from("4b000001", "hex"), Buffer.alloc(40, 0x5a)]);
sendTo(floated, junk, packSockaddrBytes(local4, 1194, 0, "linux"));
sendTo(remote, Buffer.from("4b000063", "hex"), packSockaddrBytes(local4, 1194, 0, "linux"));
await sleep(300);
ask("getPeer floated", "by a packet that is no packet, from another port", (b) =>
  requests.getPeer(b, target, 50, 1),
);

// Ends.
ask("delPeer", "peer 1", (b) => requests.delPeer(b, target, 60, 1));
await notifications("delPeer notification", "userspace");
ask("newPeer p2p", "", (b) =>
  requests.newPeer(b, p2p, 61, { id: 5, socket: remote, remoteAddress: local4, remotePort: 1194 }),
);
ask("getPeer dump p2p", "none, although there is one", (b) => requests.dumpPeers(b, p2p, 62));
ask("setPeer expiring", "timeout of one second", (b) =>
  requests.setPeer(b, p2p, 63, { id: 5, keepaliveInterval: 0, keepaliveTimeout: 1 }),
);
await notifications("delPeer notification expired", "the keepalive timeout passed", 4000);
recorder.exchange(route, "dellink", "both interfaces in one send", (b) => {
  deleteLink(b, 75, { index: client });
  deleteLink(b, 76, { name: "dco0" });
});
await notifications("delPeer notification teardown", "its interface was deleted");

recorder.print("node test/vectors/capture-linux-legacy.ts, as root in a virtual machine", {
  family,
  server,
  client,
  socket4,
  socket6,
  remote,
  group,
});
process.exit(0);
