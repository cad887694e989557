/**
 * Turns a kernel's events into the contract's: every peer ends exactly once, in the right generation.
 */
import type { BackendEvent, BackendInterface, BackendPeer, NativeDeleteReason } from "./backend.ts";
import type { Capabilities } from "./capabilities.ts";
import { DcoError, describeError, unlessNotFound } from "./errors.ts";
import { EventHub } from "./event-hub.ts";
import type { DcoEvent, Endpoint, PeerDeletedReason } from "./model.ts";
import { type PeerRecord, PeerTable, peerInfo, refresh } from "./peer-table.ts";
import { publishEvent } from "./trace.ts";

type NativeDelete = Extract<BackendEvent, { type: "peer-deleted" }>;

/** How often and how long an event is waited for that is on its way. */
const EVENT_WAITS = 10;
const EVENT_WAIT_MS = 5;

/** Peers whose keys are read before the event loop gets a turn. */
const KEYS_PER_TURN = 64;

/** Runs a task while nothing else is done to that peer id. */
type LockPeer = (id: number, task: () => Promise<void>) => Promise<void>;

/** The lives of an interface's peers, and what is told about them. */
export class PeerLives {
  readonly table = new PeerTable();
  readonly hub: EventHub;
  readonly #backend: BackendInterface;
  readonly #backendName: string;
  readonly #locked: LockPeer;
  readonly #capabilities: Capabilities;
  readonly #observer: boolean;
  /** Native ends that are being looked into, by the life that they seem to be about. */
  readonly #told = new WeakMap<PeerRecord, NativeDelete>();
  /** Ids whose next native end may be about an earlier life: events were lost. */
  readonly #doubtful = new Set<number>();
  #ended = false;
  /** As last told; an interface begins with a link that is down. */
  #linkUp = false;
  #resync: Promise<void> = Promise.resolve();
  /** A loss after which the kernel has not been asked yet. */
  #loss: { lost: number | undefined } | undefined;
  /** The interface vanished under us. */
  onRemoved: () => void = () => {};
  readonly #endedListeners: ((record: PeerRecord) => void)[] = [];

  /**
   * @param observer peers and keys come from somebody else
   */
  constructor(
    backend: BackendInterface,
    backendName: string,
    locked: LockPeer,
    { capabilities, observer }: { readonly capabilities: Capabilities; readonly observer: boolean },
  ) {
    this.#backend = backend;
    this.#backendName = backendName;
    this.#locked = locked;
    this.#capabilities = capabilities;
    this.#observer = observer;
    this.hub = new EventHub(() => this.#snapshot());
  }

  emit(event: DcoEvent): void {
    publishEvent(this.#backendName, this.#backend.name, event);
    this.hub.emit(event);
  }

  /** `listener` is told of every peer that ends, after its event was given. */
  whenEnded(listener: (record: PeerRecord) => void): void {
    this.#endedListeners.push(listener);
  }

  /** Gives a peer's `peer-deleted`, once. */
  end(record: PeerRecord, reason: PeerDeletedReason, native?: NativeDelete): void {
    if (!this.table.end(record, reason)) return;
    const { id: peer, generation } = record;
    const finalStats = native?.finalStats && { ...native.finalStats, generation };
    this.emit({ type: "peer-deleted", peer, generation, reason, ...(finalStats && { finalStats }) });
    for (const listener of this.#endedListeners) listener(record);
  }

  /**
   * Ends all readers, and all peers: but those of others, who go on without their observer.
   *
   * @param removed the interface is gone
   */
  endAll(removed: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    if (removed || !this.#observer) {
      for (const record of this.table.all()) this.end(record, "interface-removed");
    }
    this.emit({ type: "closed" });
    this.hub.end();
  }

  /** Takes the kernel's events; see `BackendEventSink`. */
  readonly take = (event: BackendEvent): void => {
    if (this.#ended) return;
    switch (event.type) {
      case "peer-deleted":
        this.#onDeleted(event);
        break;
      case "peer-floated":
        this.#aboutPeer(event.peer, event.doubt, (record, peer) => {
          // Of another interface; or there was a further float, whose event comes.
          if (peer?.remote && !isSameEndpoint(peer.remote, event.remote)) return;
          record.remote = event.remote;
          record.changed = ++this.table.clock;
          this.emit({ type: "peer-floated", ...peerOf(record), remote: event.remote });
        });
        break;
      case "key-exhausted":
        this.#aboutPeer(event.peer, event.doubt, (record) => {
          const slot = record.slots.all().find((key) => key.id === event.keyId)?.slot;
          if (slot !== undefined) record.slots.delete(slot);
          this.emit({ type: "key-exhausted", ...peerOf(record), keyId: event.keyId });
        });
        break;
      case "rekey-advised":
        this.#aboutPeer(event.peer, false, (record) => {
          this.emit({ type: "rekey-advised", ...peerOf(record), keyId: record.slots.primary?.id });
        });
        break;
      case "link":
        if (event.up === this.#linkUp) break;
        this.#linkUp = event.up;
        this.emit(event);
        break;
      case "interface-removed":
        this.emit(event);
        this.onRemoved();
        break;
      case "overflow":
        void this.resynchronise(event.lost);
        break;
      case "permission-lost":
      case "unknown":
        this.emit(event);
        break;
    }
  };

  /** Makes the table true again by asking the kernel, then tells `overflow` and `snapshot`. */
  resynchronise(lost: number | undefined): Promise<void> {
    if (this.#loss) {
      // What was lost until the kernel is asked is one loss.
      this.#loss.lost = sum(this.#loss.lost, lost);
      return this.#resync;
    }
    const loss = { lost };
    this.#loss = loss;
    this.#resync = this.#resync.then(() => {
      this.#loss = undefined;
      return this.#ask(loss.lost);
    });
    return this.#resync;
  }

  /**
   * Takes in what the kernel says of a peer. Only an observer learns of new ones so: an owner adds his own.
   *
   * @param asked the table's clock when it was asked
   */
  refresh(peer: BackendPeer, asked: number): void {
    const record = this.table.get(peer.id);
    if (record === undefined && this.#observer) this.table.begin(this.table.fromKernel(peer));
    if (record && this.#capabilities.readPeers) refresh(record, peer, asked);
  }

  /** Brings what is known of a peer's slots to what the kernel says, if it does. Holds the peer's lock. */
  async readKeys(record: PeerRecord): Promise<void> {
    if (record.ended !== undefined || !this.#capabilities.readKeys) return;
    const keys = await this.#backend.keys(record.id);
    if (keys === undefined) return;
    record.slotsUnknown = false;
    record.slots.clear();
    for (const key of keys) record.slots.set(key);
  }

  /** The same for all peers; they may end meanwhile. */
  async readAllKeys(): Promise<void> {
    if (!this.#capabilities.readKeys) return;
    for (const [n, record] of this.table.all().entries()) {
      if (n % KEYS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      await this.#locked(record.id, () => this.readKeys(record).catch(unlessNotFound));
    }
  }

  async #ask(lost: number | undefined): Promise<void> {
    if (this.#ended) return;
    for (const id of this.table.forgetEndedLives()) this.#doubtful.add(id);
    const before = new Set(this.table.all());
    const asked = this.table.clock;
    try {
      const found = await this.#backend.peers();
      const ids = new Set(found.map(({ id }) => id));
      for (const peer of found) this.refresh(peer, asked);
      for (const record of before) {
        if (!ids.has(record.id)) {
          this.#doubtful.add(record.id);
          this.table.forgetLife(record);
          this.end(record, record.ending ?? "unknown");
        }
      }
      if (this.#observer) await this.readAllKeys();
    } catch (error) {
      const failure = describeError(error, "resynchronise");
      if (failure.code !== "not-found" && !this.#ended) {
        this.emit({
          type: "unknown",
          native: 0,
          detail: `events were lost and asking failed: ${failure.message}`,
        });
      }
    }
    if (this.#ended) return;
    this.emit({ type: "overflow", lost, where: "kernel" });
    this.emit(this.#snapshot());
  }

  #onDeleted(event: NativeDelete): void {
    const record = this.table.oldestLife(event.peer);
    if (record === undefined) return;
    // Somebody else's removal looks like a late notification of one of ours: only the kernel knows.
    const foreign = event.reason === "userspace" && record.ending === undefined && record.ended === undefined;
    if (event.doubt || foreign || this.#doubtful.has(event.peer)) {
      const living = this.table.get(event.peer);
      if (living) this.#told.set(living, event);
      void this.#locked(event.peer, () => this.#settle(event));
      return;
    }
    this.table.forgetLife(record);
    this.end(record, deletedReason(event.reason, record), event);
  }

  /** Asks the kernel which life a doubtful end is about: the present one, if the peer is gone. */
  async #settle(event: NativeDelete): Promise<void> {
    const record = this.table.get(event.peer);
    if (record !== undefined && !(await this.#isThere(record))) {
      this.table.forgetLife(record);
      this.end(record, deletedReason(event.reason, record), event);
      return;
    }
    if (record) this.#told.delete(record);
    const oldest = this.table.oldestLife(event.peer);
    if (oldest !== undefined && oldest !== record) this.table.forgetLife(oldest);
  }

  /**
   * Ends a peer that the kernel has no more, although no event has said so yet. Holds the peer's lock.
   *
   * The event, which has the reason, may still be unread, or wait for the lock: it gets time to come.
   */
  async verify(record: PeerRecord): Promise<void> {
    if (record.ended !== undefined || (await this.#isThere(record))) return;
    for (let waits = 0; waits < EVENT_WAITS; waits++) {
      if (record.ended !== undefined || this.#told.has(record)) break;
      await new Promise((resolve) => setTimeout(resolve, EVENT_WAIT_MS));
    }
    if (record.ended !== undefined) return;
    const told = this.#told.get(record);
    // Its event may come yet, when another peer has the id.
    if (told === undefined) this.#doubtful.add(record.id);
    else this.table.forgetLife(record);
    this.end(record, told ? deletedReason(told.reason, record) : "unknown", told);
  }

  /** What the kernel says of a peer; undefined if it has none, or cannot be asked. */
  async #ofKernel(id: number): Promise<BackendPeer | undefined> {
    try {
      return await this.#backend.peer(id);
    } catch {
      return undefined;
    }
  }

  /** When the kernel cannot be asked the peer is taken to be there. */
  async #isThere(record: PeerRecord): Promise<boolean> {
    try {
      await this.#backend.peer(record.id);
      return true;
    } catch (error) {
      return !DcoError.is(error) || error.code !== "not-found";
    }
  }

  /** @param tell gets what the kernel says of the peer, where it was asked */
  #aboutPeer(
    id: number,
    doubt: boolean | undefined,
    tell: (record: PeerRecord, peer: BackendPeer | undefined) => void,
  ): void {
    const record = this.table.get(id);
    if (record === undefined) return;
    const doubtful = this.#doubtful.has(id);
    // While the end of an earlier life of this id is awaited, what comes before it is about that life.
    if (this.table.oldestLife(id) !== record && !doubtful) return;
    if (!doubt && !doubtful) {
      tell(record, undefined);
      return;
    }
    void this.#locked(id, async () => {
      const peer = await this.#ofKernel(id);
      if (peer && record.ended === undefined) tell(record, peer);
    });
  }

  #snapshot(): DcoEvent {
    return { type: "snapshot", peers: this.table.all().map(peerInfo) };
  }
}

function sum(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}

function isSameEndpoint(one: Endpoint, other: Endpoint): boolean {
  return (
    one.address === other.address && one.port === other.port && (one.scopeId ?? 0) === (other.scopeId ?? 0)
  );
}

function peerOf(record: PeerRecord): { peer: number; generation: number } {
  return { peer: record.id, generation: record.generation };
}

/** The contract's reason for a kernel's, knowing what we were about to do. */
function deletedReason(native: NativeDeleteReason, record: PeerRecord): PeerDeletedReason {
  switch (native) {
    case "expired":
    case "transport-error":
      return native;
    case "transport-disconnect":
      return record.ending ?? "transport-disconnect";
    case "userspace":
      return record.ending ?? "external";
    case "teardown":
      return record.ending ?? "interface-removed";
    case "unknown":
      return record.ending ?? "unknown";
  }
}
