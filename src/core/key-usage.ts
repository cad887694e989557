/**
 * How much a key has been used, and how much is enough.
 */
import type { Counters, KeyInfo, PeerStats } from "./model.ts";

/** OpenVPN renegotiates after an hour (`reneg-sec`). */
export const REKEY_SECONDS = 3600;

/** Half of the 32-bit packet ids; FreeBSD's kernel advises a rekey there (if_ovpn.c). The others stop at the end. */
export const REKEY_PACKETS = 2 ** 31;

/**
 * AES-GCM: packets plus blocks of plaintext, in one direction of one key.
 *
 * 7/8 of 2^36 - 1, as in OpenVPN (crypto.c `cipher_get_aead_limits`, ssl.c `tls_get_limit_aead`), after
 * draft-irtf-cfrg-aead-limits. ChaCha20-Poly1305 has no limit below that of the packet ids.
 */
export const REKEY_GCM_BLOCKS = (((1n << 36n) - 1n) / 8n) * 7n;

/** Bytes of an AES block. */
const BLOCK_BYTES = 16n;

/**
 * The smallest packets there are, for kernels that count bytes only: an OpenVPN ping on the transport
 * (24 bytes of header and tag, 16 of ping), an IPv4 header in the tunnel.
 */
const MIN_PACKET_BYTES = { link: 40n, tunnel: 20n };

/** When a rekey is advised; whichever comes first. */
export interface RekeyLimits {
  /** Age of the key in seconds; 0 for any. Default {@link REKEY_SECONDS}. */
  readonly seconds?: number;
  /** Bytes of both directions together, as OpenVPN's `reneg-bytes`; 0 for any. Default 0. */
  readonly bytes?: number;
  /** Packets of one direction, at most {@link REKEY_PACKETS}. That is the default. */
  readonly packets?: number;
}

/** Bytes and packets of both directions. */
export interface Usage {
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
}

export const NO_USAGE: Usage = { rxBytes: 0n, txBytes: 0n, rxPackets: 0n, txPackets: 0n };

/** What a peer's counters say. Packets that the kernel did not count are as many as the bytes allow. */
export function usageOf(stats: PeerStats): Usage {
  if (stats.link) return fromCounters(stats.link, MIN_PACKET_BYTES.link);
  if (stats.tunnel) return fromCounters(stats.tunnel, MIN_PACKET_BYTES.tunnel);
  return NO_USAGE;
}

function fromCounters({ rxBytes, txBytes, rxPackets, txPackets }: Counters, minBytes: bigint): Usage {
  return {
    rxBytes,
    txBytes,
    rxPackets: rxPackets ?? rxBytes / minBytes,
    txPackets: txPackets ?? txBytes / minBytes,
  };
}

/** What was used since; counters that went back have started again from zero. */
export function usageSince(now: Usage, before: Usage): Usage {
  const since = {
    rxBytes: now.rxBytes - before.rxBytes,
    txBytes: now.txBytes - before.txBytes,
    rxPackets: now.rxPackets - before.rxPackets,
    txPackets: now.txPackets - before.txPackets,
  };
  return Object.values(since).some((count) => count < 0n) ? now : since;
}

/** Whether a key with this cipher has been used up to a limit, and which. */
export function usedUp(
  usage: Usage,
  seconds: number,
  cipher: KeyInfo["cipher"],
  limits: Required<RekeyLimits>,
): "time" | "bytes" | "packets" | undefined {
  if (limits.seconds > 0 && seconds >= limits.seconds) return "time";
  if (limits.bytes > 0 && usage.rxBytes + usage.txBytes >= BigInt(limits.bytes)) return "bytes";
  // A cipher that is not known may be AES-GCM.
  if (cipher !== "chacha20-poly1305") {
    const most = larger(blocks(usage.rxBytes, usage.rxPackets), blocks(usage.txBytes, usage.txPackets));
    if (most >= REKEY_GCM_BLOCKS) return "bytes";
  }
  return larger(usage.rxPackets, usage.txPackets) >= BigInt(limits.packets) ? "packets" : undefined;
}

/** Packets plus blocks; each packet may have one block more than its share of the bytes. */
function blocks(bytes: bigint, packets: bigint): bigint {
  return bytes / BLOCK_BYTES + 2n * packets;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
