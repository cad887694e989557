/**
 * The VPN addresses of an interface's peers, where the module itself lets two peers have the same one and then sends
 * packets to either.
 */
import { DcoError } from "../core/errors.ts";
import { formatIp } from "../core/ip.ts";

/** A peer's addresses in the tunnel. */
interface InTunnel {
  readonly id: number;
  readonly vpn4: Uint8Array | string | undefined;
  readonly vpn6: Uint8Array | string | undefined;
}

/** See the module's comment. */
export class VpnAddresses {
  readonly #owners = new Map<string, number>();
  readonly #byPeer = new Map<number, string[]>();

  /** Errors: `exists`. */
  claim(peer: InTunnel): void {
    const wanted = addressesOf(peer);
    for (const address of wanted) {
      const owner = this.#owners.get(address);
      if (owner === undefined || owner === peer.id) continue;
      throw new DcoError("exists", `another peer, ${owner}, has the VPN address ${address}`, {
        effect: "none",
      });
    }
    this.#set(peer.id, wanted);
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

  #set(id: number, addresses: string[]): void {
    this.#byPeer.set(id, addresses);
    for (const address of addresses) this.#owners.set(address, id);
  }
}

function addressesOf({ vpn4, vpn6 }: InTunnel): string[] {
  return [vpn4, vpn6].flatMap((address) =>
    address === undefined ? [] : typeof address === "string" ? address : formatIp(address),
  );
}
