/**
 * OpenVPN's packets as bytes: DATA_V2, opcodes, the ping.
 *
 * A DATA_V2 packet of an AEAD cipher, all numbers in network order:
 *
 *     0   opcode (5 bits, 9), key id (3 bits), peer id (24 bits)
 *     4   packet id (32 bits): the first part of the nonce
 *     8   tag (16 bytes)
 *     24  ciphertext
 *
 * The first 8 bytes are authenticated as well; the nonce is the packet id and 8 bytes that belong to the key.
 */

/** Opcodes of data packets, the upper five bits of the first byte. */
export const DATA_V1 = 6;
export const DATA_V2 = 9;

/** Opcode with key id and peer id. */
export const HEADER_BYTES = 4;
/** What is authenticated besides the ciphertext: the header and the packet id. */
export const AAD_BYTES = 8;
export const TAG_BYTES = 16;
/** What DATA_V2 adds to an inner packet. */
export const OVERHEAD = AAD_BYTES + TAG_BYTES;

/** Highest packet id: 0 is not one, and after the last the key is used up. */
export const LAST_PACKET_ID = 0xffff_ffff;

/** The peer id that means "look at the sender's address". */
export const PEER_ID_UNDEFINED = 0xff_ffff;

/** OpenVPN's ping (`ping_string` in its ping.c), sent as an inner packet. */
export const PING = Uint8Array.of(
  ...[0x2a, 0x18, 0x7b, 0xf3, 0x64, 0x1e, 0xb4, 0xcb, 0x07, 0xed, 0x2d, 0x0a, 0x98, 0x1f, 0xc7, 0x48],
);

/** The opcode of a packet that is not empty. */
export function opcodeOf(packet: Uint8Array): number {
  return (packet[0] as number) >> 3;
}

/** The key id of a data packet. */
export function keyIdOf(packet: Uint8Array): number {
  return (packet[0] as number) & 7;
}

/** The peer id of a DATA_V2 packet with a whole header. */
export function peerIdOf(packet: Uint8Array): number {
  return ((packet[1] as number) << 16) | ((packet[2] as number) << 8) | (packet[3] as number);
}

/** The first word of a DATA_V2 packet. */
export function headerWord(keyId: number, peerId: number): number {
  return ((((DATA_V2 << 3) | keyId) << 24) | peerId) >>> 0;
}

/** Whether a decrypted payload is the ping. */
export function isPing(payload: Uint8Array): boolean {
  if (payload.length !== PING.length) return false;
  for (let at = 0; at < PING.length; at++) if (payload[at] !== PING[at]) return false;
  return true;
}
