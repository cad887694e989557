/**
 * Whose the prefixes behind peers are (OpenVPN's iroutes): one peer's at a time.
 */
import type { IpPrefix } from "./backend.ts";
import { DcoError } from "./errors.ts";
import type { PeerRecord } from "./peer-table.ts";
import { formatPrefix } from "./validate.ts";

/** The prefixes of an interface's peers. They go with the peer: a later life of its id begins without. */
export class PeerRoutes {
  readonly #owners = new Map<string, PeerRecord>();
  readonly #prefixes = new Map<PeerRecord, readonly string[]>();

  /**
   * Makes the prefixes of a peer be these.
   *
   * @returns what puts back what was before. Errors: `exists`, if another peer has one.
   */
  claim(record: PeerRecord, routes: readonly IpPrefix[]): () => void {
    const wanted = routes.map(formatPrefix);
    for (const prefix of wanted) {
      const owner = this.#owners.get(prefix);
      if (owner !== undefined && owner !== record) {
        throw new DcoError("exists", `routes: ${prefix} is behind peer ${owner.id}`, {
          field: "routes",
          effect: "none",
        });
      }
    }
    const before = this.#prefixes.get(record) ?? [];
    this.#set(record, wanted);
    return () => {
      // A peer that has ended meanwhile has released them.
      if (record.ended === undefined) this.#set(record, before);
    };
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
