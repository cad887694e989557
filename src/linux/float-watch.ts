/**
 * Floats on kernels that do not tell of them (before 7.1): the peers' remote addresses are watched.
 */
import type { BackendPeer } from "../core/backend.ts";
import type { Endpoint } from "../core/model.ts";

/** Time between two looks, in ms: a second, and more where reading all peers takes long. */
const MINIMUM_MS = 1000;
const PER_PEER_MS = 2;

/** Looks at the peers now and then; does not keep the process alive. */
export class FloatWatch {
  readonly #read: () => Promise<BackendPeer[]>;
  readonly #floated: (peer: number, remote: Endpoint) => void;
  readonly #known = new Map<number, string>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(read: () => Promise<BackendPeer[]>, floated: (peer: number, remote: Endpoint) => void) {
    this.#read = read;
    this.#floated = floated;
  }

  /** A peer was added, or its remote set by us. */
  set(peer: number, remote: Endpoint): void {
    this.#known.set(peer, textOf(remote));
    this.#schedule();
  }

  /** What the kernel says: a peer that nobody here has added, of an adopted interface, is watched as well. */
  found(peers: readonly BackendPeer[]): void {
    for (const { id, remote } of peers) if (remote && !this.#known.has(id)) this.set(id, remote);
  }

  delete(peer: number): void {
    this.#known.delete(peer);
  }

  stop(): void {
    this.#stopped = true;
    this.#known.clear();
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#stopped || this.#known.size === 0) return;
    this.#timer = setTimeout(() => void this.#look(), Math.max(MINIMUM_MS, PER_PEER_MS * this.#known.size));
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    // A peer that is added or moved by us meanwhile may be older in the answer.
    const before = new Map(this.#known);
    const peers = await this.#read().catch(() => undefined);
    this.#timer = undefined;
    if (peers) this.#compare(before, peers);
    this.#schedule();
  }

  #compare(before: ReadonlyMap<number, string>, peers: readonly BackendPeer[]): void {
    const ids = new Set(peers.map(({ id }) => id));
    for (const [id, known] of before) {
      // It is gone; who removed it need not have said so here.
      if (!ids.has(id) && this.#known.get(id) === known) this.#known.delete(id);
    }
    for (const { id, remote } of peers) {
      const known = before.get(id);
      if (remote === undefined || known === undefined || this.#known.get(id) !== known) continue;
      if (textOf(remote) === known) continue;
      this.#known.set(id, textOf(remote));
      this.#floated(id, remote);
    }
  }
}

function textOf({ address, port, scopeId }: Endpoint): string {
  return `${address} ${port} ${scopeId ?? 0}`;
}
