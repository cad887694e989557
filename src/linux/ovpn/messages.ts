/**
 * The generic netlink family `ovpn` of the kernel's own tree (6.16 and later): numbers and attributes, from
 * linux/ovpn.h and the kernel's ovpn.yaml.
 */

import type { MessageLayout } from "../../netlink/codec/extack.ts";
import { GENL_HEADER } from "../../netlink/codec/genl.ts";
import type { AttributeTable } from "../../netlink/codec/table.ts";

export const OVPN_FAMILY = "ovpn";
export const OVPN_FAMILY_VERSION = 1;
/** The one multicast group. */
export const OVPN_GROUP = "peers";
/** The link kind in IFLA_INFO_KIND. */
export const OVPN_LINK_KIND = "ovpn";

/** IFLA_OVPN_MODE. */
export const OVPN_MODE_P2P = 0;
export const OVPN_MODE_MP = 1;

/** Commands; the three `...Ntf` are notifications, and float is sent from 7.1 on. */
export const OVPN_COMMANDS = {
  peerNew: 1,
  peerSet: 2,
  peerGet: 3,
  peerDel: 4,
  peerDelNtf: 5,
  keyNew: 6,
  keyGet: 7,
  keySwap: 8,
  keySwapNtf: 9,
  keyDel: 10,
  peerFloatNtf: 11,
} as const;

/** OVPN_A_PEER_*. */
export const PEER = {
  id: { number: 1, type: "u32" },
  remoteIpv4: { number: 2, type: "ip4" },
  remoteIpv6: { number: 3, type: "ip6" },
  remoteIpv6ScopeId: { number: 4, type: "u32" },
  remotePort: { number: 5, type: "u16be" },
  socket: { number: 6, type: "u32" },
  socketNetnsid: { number: 7, type: "s32" },
  vpnIpv4: { number: 8, type: "ip4" },
  vpnIpv6: { number: 9, type: "ip6" },
  localIpv4: { number: 10, type: "ip4" },
  localIpv6: { number: 11, type: "ip6" },
  localPort: { number: 12, type: "u16be" },
  keepaliveInterval: { number: 13, type: "u32" },
  keepaliveTimeout: { number: 14, type: "u32" },
  delReason: { number: 15, type: "u32" },
  vpnRxBytes: { number: 16, type: "uint" },
  vpnTxBytes: { number: 17, type: "uint" },
  vpnRxPackets: { number: 18, type: "uint" },
  vpnTxPackets: { number: 19, type: "uint" },
  linkRxBytes: { number: 20, type: "uint" },
  linkTxBytes: { number: 21, type: "uint" },
  linkRxPackets: { number: 22, type: "uint" },
  linkTxPackets: { number: 23, type: "uint" },
  /** From 7.1 on. */
  txId: { number: 24, type: "u32" },
} as const satisfies AttributeTable;

/** OVPN_A_KEYDIR_*. */
export const KEYDIR = {
  cipherKey: { number: 1, type: "bytes", min: 0, max: 256, secret: true },
  nonceTail: { number: 2, type: "bytes", min: 8, max: 8, secret: true },
} as const satisfies AttributeTable;

/** OVPN_A_KEYCONF_*. */
export const KEYCONF = {
  peerId: { number: 1, type: "u32" },
  slot: { number: 2, type: "u32" },
  // The kernel writes two bytes in key-swap-ntf, although its specification says u32.
  keyId: { number: 3, type: "u16or32" },
  cipherAlg: { number: 4, type: "u32" },
  encryptDir: { number: 5, type: "nest", table: KEYDIR },
  decryptDir: { number: 6, type: "nest", table: KEYDIR },
} as const satisfies AttributeTable;

/** OVPN_A_*. */
export const OVPN = {
  ifindex: { number: 1, type: "u32" },
  peer: { number: 2, type: "nest", table: PEER },
  keyconf: { number: 3, type: "nest", table: KEYCONF },
} as const satisfies AttributeTable;

/** For `attributePath` of this family's requests. */
export const OVPN_LAYOUT: MessageLayout = { header: GENL_HEADER, table: OVPN };

/** Values of `KEYCONF.slot`. */
export const KEY_SLOTS = { primary: 0, secondary: 1 } as const;
/** A key slot's name. */
export type KeySlotName = keyof typeof KEY_SLOTS;

/** Values of `KEYCONF.cipherAlg`; `none` is refused by the kernel. */
export const CIPHER_ALGORITHMS = { none: 0, "aes-gcm": 1, "chacha20-poly1305": 2 } as const;
/** A cipher as the kernel names it: the key's length tells AES-128, -192 and -256 apart. */
export type CipherAlgorithm = keyof typeof CIPHER_ALGORITHMS;

/** Values of `PEER.delReason`, by number. */
export const DELETE_REASONS = [
  "teardown",
  "userspace",
  "expired",
  "transport-error",
  "transport-disconnect",
] as const;
/** Why a peer was deleted, in the kernel's words. */
export type DeleteReason = (typeof DELETE_REASONS)[number];

/** The largest peer id that the attribute's policy allows; on the wire it means "undefined". */
export const PEER_ID_MAX = 0xffffff;
