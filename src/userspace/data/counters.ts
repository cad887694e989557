/**
 * What is counted: of each peer what a kernel counts, of the interface what was dropped and why.
 */
import type { Counters } from "../../core/model.ts";

/** Packets and bytes of one peer, in the tunnel or on its transport. Numbers are exact up to 2^53. */
export class Traffic {
  #rxPackets = 0;
  #rxBytes = 0;
  #txPackets = 0;
  #txBytes = 0;

  received(bytes: number): void {
    this.#rxPackets++;
    this.#rxBytes += bytes;
  }

  sent(bytes: number): void {
    this.#txPackets++;
    this.#txBytes += bytes;
  }

  get counters(): Counters {
    return {
      rxBytes: BigInt(this.#rxBytes),
      txBytes: BigInt(this.#txBytes),
      rxPackets: BigInt(this.#rxPackets),
      txPackets: BigInt(this.#txPackets),
    };
  }
}

/** Packets that an interface dropped, by reason. */
export interface Drops {
  /** From the network: too short, DATA_V1, or neither IPv4 nor IPv6 inside. */
  malformed: number;
  /** From the network: no peer has that id. */
  unknownPeer: number;
  /** No key: with that key id, or none to send with. */
  noKey: number;
  /** From the network: not made with the key, or changed on the way. */
  authentication: number;
  /** From the network: came before, or too late. */
  replay: number;
  /** From a peer: the inner source address is not his. */
  source: number;
  /** From a peer: the interface is down, or nobody reads its packets fast enough. */
  notRead: number;
  /** Into the tunnel: no IP packet, or larger than the MTU. */
  invalid: number;
  /** Into the tunnel: the interface is down, or no peer has that destination. */
  noPeer: number;
  /** Into the tunnel: the socket did not take it. */
  notSent: number;
}

export function noDrops(): Drops {
  return {
    malformed: 0,
    unknownPeer: 0,
    noKey: 0,
    authentication: 0,
    replay: 0,
    source: 0,
    notRead: 0,
    invalid: 0,
    noPeer: 0,
    notSent: 0,
  };
}
