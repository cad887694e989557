/**
 * Removals of peers one after the other, for a module that releases peers on a work queue after it has answered.
 *
 * `ovpn-dco-v2` takes each peer out of a list of the link's there, without a lock: two at the same time on two processors
 * destroy the list, and the kernel stops (BUG at lib/list_debug.c, Linux 6.1). It tells of a peer's end when that is done.
 */

/** Milliseconds that a release gets whose notification does not come, such as that of a peer in a namespace of others'. */
const RELEASE_MS = 100;

/** Of one interface. */
export class PeerReleases {
  #last: Promise<void> = Promise.resolve();
  readonly #waiting = new Map<number, () => void>();

  /** Makes the request when the peer before is released; resolves when this one is. Errors: those of the request. */
  remove(id: number, request: () => Promise<void>): Promise<void> {
    const mine = this.#last.then(() => this.#remove(id, request));
    this.#last = mine.catch(() => {});
    return mine;
  }

  /** The kernel has told of the peer's end. */
  released(id: number): void {
    this.#waiting.get(id)?.();
  }

  async #remove(id: number, request: () => Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const released = new Promise<void>((resolve) => {
      this.#waiting.set(id, resolve);
      timer = setTimeout(resolve, RELEASE_MS);
    });
    try {
      await request();
      await released;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }
}
