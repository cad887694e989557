/**
 * Answers and notifications of the in-tree family `ovpn`.
 */

import { decodeAttributes } from "../../netlink/codec/attributes.ts";
import { GENL_HEADER, genlAttributes, genlCommand } from "../../netlink/codec/genl.ts";
import type { NetlinkMessage } from "../../netlink/codec/message.ts";
import { malformed } from "../../netlink/codec/region.ts";
import type { CipherAlgorithm, DeleteReason, KeySlotName } from "./messages.ts";
import { CIPHER_ALGORITHMS, DELETE_REASONS, KEY_SLOTS, OVPN, OVPN_COMMANDS } from "./messages.ts";

/** What key-get tells; the key itself is never readable. */
export interface KeyReply {
  readonly peer: number;
  readonly slot: KeySlotName;
  readonly keyId: number;
  readonly cipher: CipherAlgorithm;
}

/** A notification from the group `peers`. Addresses are 4 or 16 bytes in network order. */
export type OvpnNotification =
  | {
      readonly type: "peer-del-ntf";
      /** The interface's index in its own network namespace. */
      readonly ifindex: number;
      readonly peer: number;
      /** The number as it is, for reasons that the codec does not know. */
      readonly reason: DeleteReason | number;
    }
  /** The packet ids of a key ran out: the kernel destroyed it. */
  | { readonly type: "key-swap-ntf"; readonly ifindex: number; readonly peer: number; readonly keyId: number }
  | {
      readonly type: "peer-float-ntf";
      readonly ifindex: number;
      readonly peer: number;
      readonly remoteAddress: Uint8Array;
      readonly remotePort: number;
      /** 0 for IPv4, and where none is given. */
      readonly remoteScopeId: number;
    }
  /** A command that a later kernel added. */
  | { readonly type: "unknown"; readonly command: number };

/** Reads the answer to key-get. */
export function decodeKey(message: NetlinkMessage): KeyReply {
  const from = genlAttributes(message, OVPN_COMMANDS.keyGet);
  const key = decodeAttributes(OVPN, message, from).keyconf ?? {};
  return {
    peer: required(key.peerId, "keyconf.peer-id"),
    slot: nameOf(KEY_SLOTS, key.slot, "keyconf.slot"),
    keyId: required(key.keyId, "keyconf.key-id"),
    cipher: nameOf(CIPHER_ALGORITHMS, key.cipherAlg, "keyconf.cipher-alg"),
  };
}

/** Reads a message of the multicast group; commands that it does not know are no error. */
export function decodeNotification(message: NetlinkMessage): OvpnNotification {
  const command = genlCommand(message);
  const from = message.start + GENL_HEADER;
  switch (command) {
    case OVPN_COMMANDS.peerDelNtf: {
      const { ifindex, peer = {} } = decodeAttributes(OVPN, message, from);
      const reason = required(peer.delReason, "peer.del-reason");
      return {
        type: "peer-del-ntf",
        ifindex: required(ifindex, "ifindex"),
        peer: required(peer.id, "peer.id"),
        reason: DELETE_REASONS[reason] ?? reason,
      };
    }
    case OVPN_COMMANDS.keySwapNtf: {
      const { ifindex, keyconf = {} } = decodeAttributes(OVPN, message, from);
      return {
        type: "key-swap-ntf",
        ifindex: required(ifindex, "ifindex"),
        peer: required(keyconf.peerId, "keyconf.peer-id"),
        keyId: required(keyconf.keyId, "keyconf.key-id"),
      };
    }
    case OVPN_COMMANDS.peerFloatNtf: {
      const { ifindex, peer = {} } = decodeAttributes(OVPN, message, from);
      return {
        type: "peer-float-ntf",
        ifindex: required(ifindex, "ifindex"),
        peer: required(peer.id, "peer.id"),
        remoteAddress: required(peer.remoteIpv6 ?? peer.remoteIpv4, "peer.remote-ipv4"),
        remotePort: required(peer.remotePort, "peer.remote-port"),
        remoteScopeId: peer.remoteIpv6ScopeId ?? 0,
      };
    }
    default:
      return { type: "unknown", command };
  }
}

function required<T>(value: T | undefined, path: string): T {
  if (value === undefined) throw malformed(path, "missing");
  return value;
}

/** The name of a number in a list of names. */
function nameOf<T extends string>(
  names: Readonly<Record<T, number>>,
  number: number | undefined,
  path: string,
): T {
  const wanted = required(number, path);
  for (const name in names) if (names[name] === wanted) return name;
  throw malformed(path, `${wanted} is not known`);
}
