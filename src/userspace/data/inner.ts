/**
 * Inner packets: IPv4 or IPv6, and whose addresses are in them.
 */

/** Where addresses stand in the two headers. */
export const IPV4 = { header: 20, source: 12, destination: 16 } as const;
export const IPV6 = { header: 40, source: 8, destination: 24 } as const;

/** The family of a packet that has a whole header; 0 if it is no IP packet (as ovpn_ip_check_protocol). */
export function familyOf(packet: Uint8Array): 0 | 4 | 6 {
  if (packet.length < IPV4.header) return 0;
  const version = (packet[0] as number) >> 4;
  if (version === 4) return 4;
  return version === 6 && packet.length >= IPV6.header ? 6 : 0;
}
