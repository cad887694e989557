/**
 * The VPN addresses of an interface's peers, where the kernel lets two peers have the same one and then sends packets
 * to either.
 */
import { DcoError } from "../core/errors.ts";
import { formatIp } from "../core/ip.ts";

const UNSPECIFIED: readonly string[] = ["0.0.0.0", "::"];

/** A peer's addresses in the tunnel. */
interface InTunnel {
  readonly id: number;
  readonly vpn4: Uint8Array | string | undefined;
  readonly vpn6: Uint8Array | string | undefined;
}

/** See the module's comment. */
export class VpnAddresses {
  readonly #owners = new Map<string, number>();
  readonly #byPeer = new Map<number, readonly string[]>();

  /** Errors: `exists`. */
  claim(peer: InTunnel): void {
    const wanted = addressesOf(peer);
    this.#check(peer.id, wanted);
    this.#set(peer.id, wanted);
  }

  /**
   * Other addresses of a peer: a family that is left out stays, the unspecified address takes away. Errors: `exists`.
   *
   * @returns what takes it back
   */
  change({ id, vpn4, vpn6 }: InTunnel): () => void {
    const before = this.#byPeer.get(id) ?? [];
    const kept = before.filter((address) => (address.includes(":") ? vpn6 : vpn4) === undefined);
    const others = addressesOf({ id, vpn4, vpn6 }).filter((address) => !UNSPECIFIED.includes(address));
    this.#check(id, others);
    this.release(id);
    this.#set(id, [...kept, ...others]);
    return () => {
      this.release(id);
      this.#set(id, before);
    };
  }

  /** All of them, or none. */
  claimAll(peers: readonly InTunnel[]): boolean {
    for (const [n, peer] of peers.entries()) {
      try {
        this.claim(peer);
      } catch {
        for (const { id } of peers.slice(0, n)) this.release(id);
        return false;
      }
    }
    return true;
  }

  /** Of peers that are there, whoever added them. */
  note(peers: readonly InTunnel[]): void {
    for (const peer of peers) if (!this.#byPeer.has(peer.id)) this.#set(peer.id, addressesOf(peer));
  }

  release(id: number): void {
    for (const address of this.#byPeer.get(id) ?? []) {
      if (this.#owners.get(address) === id) this.#owners.delete(address);
    }
    this.#byPeer.delete(id);
  }

  #check(id: number, wanted: readonly string[]): void {
    for (const address of wanted) {
      const owner = this.#owners.get(address);
      if (owner === undefined || owner === id) continue;
      throw new DcoError("exists", `another peer, ${owner}, has the VPN address ${address}`, {
        effect: "none",
      });
    }
  }

  #set(id: number, addresses: readonly string[]): void {
    this.#byPeer.set(id, addresses);
    for (const address of addresses) this.#owners.set(address, id);
  }
}

function addressesOf({ vpn4, vpn6 }: InTunnel): string[] {
  return [vpn4, vpn6].flatMap((address) =>
    address === undefined ? [] : typeof address === "string" ? address : formatIp(address),
  );
}
