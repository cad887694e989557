/**
 * The generic netlink family `ovpn-dco-v2` of the out-of-tree module: numbers and attributes, from its
 * linux/ovpn_dco.h. The first generation of the module has a family `ovpn-dco` with other numbers.
 */
import type { MessageKind } from "../../netlink/codec/describe.ts";
import type { MessageLayout } from "../../netlink/codec/extack.ts";
import { GENL_HEADER } from "../../netlink/codec/genl.ts";
import type { AttributeTable } from "../../netlink/codec/table.ts";

export const LEGACY_FAMILY = "ovpn-dco-v2";
export const LEGACY_FAMILY_VERSION = 1;
/** The link kind in IFLA_INFO_KIND: not the family's name. */
export const LEGACY_LINK_KIND = "ovpn-dco";
/** The first generation's family. */
export const FIRST_FAMILY = "ovpn-dco";

/** Commands. The kernel tells of a peer's end by a `delPeer` of its own. */
export const LEGACY_COMMANDS = {
  newPeer: 1,
  setPeer: 2,
  delPeer: 3,
  newKey: 4,
  swapKeys: 5,
  delKey: 6,
  getPeer: 7,
} as const;

/** A raw sockaddr_in or sockaddr_in6. */
const sockaddr = { type: "bytes", min: 16, max: 28 } as const;

export const NEW_PEER = {
  peerId: { number: 1, type: "u32" },
  sockaddrRemote: { number: 2, ...sockaddr },
  socket: { number: 3, type: "u32" },
  ipv4: { number: 4, type: "ip4" },
  ipv6: { number: 5, type: "ip6" },
  localIp: { number: 6, type: "ip" },
} as const satisfies AttributeTable;

export const SET_PEER = {
  peerId: { number: 1, type: "u32" },
  keepaliveInterval: { number: 2, type: "u32" },
  keepaliveTimeout: { number: 3, type: "u32" },
} as const satisfies AttributeTable;

export const DEL_PEER = {
  reason: { number: 1, type: "u8" },
  peerId: { number: 2, type: "u32" },
} as const satisfies AttributeTable;

export const KEY_DIRECTION = {
  cipherKey: { number: 1, type: "bytes", min: 0, max: 255, secret: true },
  nonceTail: { number: 2, type: "bytes", min: 8, max: 8, secret: true },
} as const satisfies AttributeTable;

export const NEW_KEY = {
  peerId: { number: 1, type: "u32" },
  keySlot: { number: 2, type: "u8" },
  keyId: { number: 3, type: "u8" },
  cipherAlg: { number: 4, type: "u16" },
  encryptKey: { number: 5, type: "nest", table: KEY_DIRECTION },
  decryptKey: { number: 6, type: "nest", table: KEY_DIRECTION },
} as const satisfies AttributeTable;

export const SWAP_KEYS = { peerId: { number: 1, type: "u32" } } as const satisfies AttributeTable;

export const DEL_KEY = {
  peerId: { number: 1, type: "u32" },
  keySlot: { number: 2, type: "u8" },
} as const satisfies AttributeTable;

/** A request has the id alone; the rest is the answer's. Packet counters have 32 bits, and wrap. */
export const GET_PEER = {
  peerId: { number: 1, type: "u32" },
  sockaddrRemote: { number: 2, ...sockaddr },
  ipv4: { number: 3, type: "ip4" },
  ipv6: { number: 4, type: "ip6" },
  localIp: { number: 5, type: "ip" },
  localPort: { number: 6, type: "u16be" },
  keepaliveInterval: { number: 7, type: "u32" },
  keepaliveTimeout: { number: 8, type: "u32" },
  vpnRxBytes: { number: 9, type: "u64" },
  vpnTxBytes: { number: 10, type: "u64" },
  vpnRxPackets: { number: 11, type: "u32" },
  vpnTxPackets: { number: 12, type: "u32" },
  linkRxBytes: { number: 13, type: "u64" },
  linkTxBytes: { number: 14, type: "u64" },
  linkRxPackets: { number: 15, type: "u32" },
  linkTxPackets: { number: 16, type: "u32" },
} as const satisfies AttributeTable;

/** Of all messages: the interface, and one nest for each command. */
export const LEGACY = {
  ifindex: { number: 1, type: "u32" },
  newPeer: { number: 2, type: "nest", table: NEW_PEER },
  setPeer: { number: 3, type: "nest", table: SET_PEER },
  delPeer: { number: 4, type: "nest", table: DEL_PEER },
  newKey: { number: 5, type: "nest", table: NEW_KEY },
  swapKeys: { number: 6, type: "nest", table: SWAP_KEYS },
  delKey: { number: 7, type: "nest", table: DEL_KEY },
  getPeer: { number: 8, type: "nest", table: GET_PEER },
} as const satisfies AttributeTable;

/** For `attributePath` of this family's requests. */
export const LEGACY_LAYOUT: MessageLayout = { header: GENL_HEADER, table: LEGACY };

/** What the wire trace knows of the family. */
export const LEGACY_KIND: MessageKind = {
  name: LEGACY_FAMILY,
  layout: LEGACY_LAYOUT,
  commands: LEGACY_COMMANDS,
};
