/**
 * Whose the prefixes behind peers are (OpenVPN's iroutes): one peer's at a time.
 */
import type { IpPrefix } from "./backend.ts";
import { DcoError } from "./errors.ts";
import type { VpnAddresses } from "./model.ts";
import type { PeerRecord, PeerTable } from "./peer-table.ts";
import { formatPrefix } from "./validate.ts";

/** The prefixes of an interface's peers. They go with the peer: a later life of its id begins without. */
export class PeerRoutes {
  readonly #owners = new Map<string, PeerRecord>();
  readonly #prefixes = new Map<PeerRecord, readonly string[]>();
  readonly #table: PeerTable;

  constructor(table: PeerTable) {
    this.#table = table;
  }

  /**
   * Makes the prefixes of a peer be these.
   *
   * @returns what puts back what was before. Errors: `exists`, if another peer has one.
   */
  claim(record: PeerRecord, routes: readonly IpPrefix[]): () => void {
    const wanted = routes.map(formatPrefix);
    for (const [at, prefix] of wanted.entries()) {
      const owner = this.#owners.get(prefix);
      if (owner !== undefined && owner !== record) {
        throw taken("routes", `${prefix} is behind peer ${owner.id}`);
      }
      const one = routes[at] as IpPrefix;
      if (one.length < one.bytes.length * 8) continue;
      // Packets to that peer would go to this one.
      const own = this.#table.all().find(({ vpn }) => vpn.ipv4 === one.text || vpn.ipv6 === one.text);
      if (own !== undefined && own !== record) {
        throw taken("routes", `${one.text} is the VPN address of peer ${own.id}`);
      }
    }
    const before = this.#prefixes.get(record) ?? [];
    this.#set(record, wanted);
    return () => {
      // A peer that has ended meanwhile has released them.
      if (record.ended === undefined) this.#set(record, before);
    };
  }

  /** Errors: `exists`, if one of a peer's VPN addresses is a prefix behind another peer. */
  checkVpn(record: PeerRecord, { ipv4, ipv6 }: VpnAddresses): void {
    if (this.#owners.size === 0) return;
    for (const prefix of [ipv4 && `${ipv4}/32`, ipv6 && `${ipv6}/128`]) {
      const owner = prefix && this.#owners.get(prefix);
      if (owner && owner !== record) throw taken("vpn", `${prefix} is behind peer ${owner.id}`);
    }
  }

  /** The peer has ended. */
  release(record: PeerRecord): void {
    this.#set(record, []);
  }

  #set(record: PeerRecord, prefixes: readonly string[]): void {
    for (const prefix of this.#prefixes.get(record) ?? []) this.#owners.delete(prefix);
    for (const prefix of prefixes) this.#owners.set(prefix, record);
    if (prefixes.length > 0) this.#prefixes.set(record, prefixes);
    else this.#prefixes.delete(record);
  }
}

function taken(field: string, problem: string): DcoError {
  return new DcoError("exists", `${field}: ${problem}`, { field, effect: "none" });
}
