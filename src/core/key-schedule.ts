/**
 * OpenVPN's key schedule: which of a session's keys is in which slot, and when a new one is due.
 *
 * The rules are those of OpenVPN's dco.c. A rotation is: `install` (the first key goes to the primary slot,
 * every later one to the secondary), the other end confirms the key, `activate` (the slots are exchanged),
 * packets that were under way with the old key arrive, `retire` (the secondary slot is emptied).
 */
import { DcoError, invalid, unsupported } from "./errors.ts";
import type {
  KeyChoice,
  KeyScheduleOptions,
  KeyScheduleState,
  KeyScheduleTarget,
  RekeyAdvice,
  ScheduledKey,
} from "./key-schedule-types.ts";
import {
  NO_USAGE,
  REKEY_PACKETS,
  REKEY_SECONDS,
  type RekeyLimits,
  type Usage,
  usageOf,
  usageSince,
  usedUp,
} from "./key-usage.ts";
import { type CallOptions, type KeyInfo, type KeySlot, MAX_KEY_ID, type PeerStats } from "./model.ts";
import { readInteger } from "./validate/shape.ts";
import { validateArray, validatePeerId } from "./validate.ts";
import { wipeKey } from "./wipe-key.ts";

/** What is known of the key in a slot. */
interface Entry {
  readonly id: number | undefined;
  readonly cipher: KeyInfo["cipher"];
  readonly installedAt: number;
  /** Counts the installations: the higher, the newer. */
  readonly order: number;
  /** The peer's counters when it was installed, or earlier. */
  before: Usage;
  /** In the kernel, but no key of the session. */
  forgotten: boolean;
}

/**
 * The keys of one peer.
 *
 * Calls run one after another. A call that fails leaves the schedule as it was, or, where the kernel may
 * have acted, in the state that its docs name. No failure is more than a session's: the caller negotiates
 * again, or removes the peer and starts over with a new schedule.
 */
export class KeySchedule {
  readonly peer: number;
  readonly #target: KeyScheduleTarget;
  readonly #canDelete: boolean;
  readonly #limits: Required<RekeyLimits>;
  readonly #clock: () => number;
  readonly #slots = new Map<KeySlot, Entry>();
  #nextId = 0;
  #order = 0;
  #seen: { readonly generation: number; readonly usage: Usage } | undefined;
  /** The order of the last primary key that the kernel has destroyed; it matters while that slot is empty. */
  #exhausted: number | undefined;
  #outOfStep: DcoError | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(target: KeyScheduleTarget, peer: number, options: KeyScheduleOptions) {
    this.#target = target;
    this.peer = validatePeerId(peer, "peer");
    this.#canDelete = options.capabilities.deleteKey;
    this.#limits = checkLimits(options.limits ?? {});
    this.#clock = options.clock ?? (() => performance.now());
    // The primary counts as the newer: advice may come early then, but not late.
    for (const slot of ["secondary", "primary"] as const) {
      const key = options.installed?.find((info) => info.slot === slot);
      if (key === undefined) continue;
      this.#slots.set(slot, this.#entry(key.id, key.cipher));
      if (key.id !== undefined) this.#nextId = following(key.id);
    }
  }

  get state(): KeyScheduleState {
    const idIn = (slot: KeySlot) => {
      const entry = this.#slots.get(slot);
      return entry?.forgotten ? undefined : entry?.id;
    };
    return {
      primary: idIn("primary"),
      secondary: idIn("secondary"),
      nextId: this.#freeId(),
      inStep: this.#outOfStep === undefined,
    };
  }

  /**
   * Installs a key: in the primary slot if that is empty, else in the secondary, whatever that holds.
   *
   * Errors: those of `dco.installKey`. Where the kernel may have acted (`effect` is not `none`) the id is
   * used up and the slot holds no key of the session; else nothing has changed.
   */
  install(key: ScheduledKey, call?: CallOptions): Promise<{ id: number; slot: KeySlot }> {
    // Once it has the key, the target wipes it: only there it is certain that nobody reads it any more.
    let handedOver = false;
    const work = this.#inTurn(async () => {
      this.#checkInStep();
      if (typeof key !== "object" || key === null) throw invalid("key", "must be an object");
      const id = key.id === undefined ? this.#freeId() : this.#checkId(key.id);
      const slot: KeySlot = this.#slots.has("primary") ? "secondary" : "primary";
      try {
        handedOver = true;
        await this.#target.installKey(this.peer, { ...key, slot, id }, call);
      } catch (error) {
        if (!hadNoEffect(error)) {
          this.#slots.delete(slot);
          // The first key's slot is tried again; a second key may be there, and is to be deleted later.
          if (slot === "secondary")
            this.#slots.set(slot, { ...this.#entry(id, key.cipher), forgotten: true });
          this.#nextId = following(id);
        }
        throw error;
      }
      this.#slots.set(slot, this.#entry(id, key.cipher));
      this.#nextId = following(id);
      return { id, slot };
    });
    return work.finally(() => {
      if (key?.wipe === true && !handedOver) wipeKey(key);
    });
  }

  /**
   * Encrypts with this key from now on: exchanges the slots if it is in the secondary one.
   *
   * Errors: `protocol` (not installed), and those of `dco.swapKeys`, after which the schedule is out of
   * step unless the kernel did not act.
   */
  activate(id: number, call?: CallOptions): Promise<void> {
    return this.#inTurn(async () => {
      this.#checkInStep();
      const slot = this.#slotOf(id);
      if (slot === undefined) throw inconsistent(`key id ${id} is not installed`);
      if (slot === "secondary") await this.#swap(call);
    });
  }

  /**
   * Ends a key that does not encrypt; one that is not installed is no error.
   *
   * Errors: `invalid` (it encrypts), and those of `dco.deleteKey`, after which it can be called again.
   */
  retire(id: number, call?: CallOptions): Promise<void> {
    return this.#inTurn(async () => {
      this.#checkInStep();
      const slot = this.#slotOf(id);
      if (slot === "primary") throw invalid("id", `key id ${id} encrypts; activate another first`);
      // Also if it is forgotten there: an earlier attempt may have failed.
      if (this.#slots.get("secondary")?.id === id) await this.#delete("secondary", call);
    });
  }

  /**
   * Brings the slots to what the control channel says; to be called whenever its keys have changed.
   *
   * Errors: `protocol` where the keys contradict the slots: the session has to start again, and nothing
   * has changed. Otherwise as `activate`, `retire` and `deleteAll`; what was done before the failure stands.
   */
  update(choice: KeyChoice, call?: CallOptions): Promise<void> {
    return this.#inTurn(async () => {
      this.#checkInStep();
      const { encrypt, valid } = choice;
      if (this.#slots.size === 0) return;
      if (encrypt === undefined) return this.#deleteBoth(call);
      const slot = this.#slotOf(encrypt);
      if (slot === undefined) throw inconsistent(`key id ${encrypt} is to encrypt, but is not installed`);
      const other = validateArray(valid, "valid").find((id) => id !== encrypt);
      if (slot === "secondary") {
        if (other !== undefined && this.#slotOf(other) !== "primary") {
          throw inconsistent(
            `key ids ${encrypt} and ${other} are valid, but ${other} is not in the primary slot`,
          );
        }
        await this.#swap(call);
      }
      if (other === undefined && this.#slots.size === 2) await this.#delete("secondary", call);
      for (const entry of this.#slots.values()) {
        if (entry.id !== encrypt && entry.id !== other) entry.forgotten = true;
      }
    });
  }

  /**
   * Empties both slots, and is in step again.
   *
   * Errors: `unsupported` where the driver deletes no keys (remove the peer instead), and those of
   * `dco.deleteKey`, after which it can be called again; the schedule may be out of step until then.
   */
  deleteAll(call?: CallOptions): Promise<void> {
    return this.#inTurn(() => this.#deleteBoth(call));
  }

  /** The kernel has destroyed a key (event `key-exhausted`); its slot is empty. */
  exhausted(id: number): void {
    for (const [slot, entry] of this.#slots) {
      if (entry.id !== id) continue;
      this.#slots.delete(slot);
      if (slot === "primary") this.#exhausted = entry.order;
    }
  }

  /**
   * Whether a new key is due, by the age and the traffic of the key that encrypts. No advice while a newer
   * key waits in the secondary slot.
   *
   * The counters belong to the peer, not to a key: what is counted for a key starts with the last `stats`
   * that this was given before the key was installed. So call it every few seconds to minutes; too seldom
   * makes the advice come early, never late.
   *
   * @param stats this peer's, of `dco.stats`
   * @param now milliseconds of the schedule's clock
   */
  advise(stats: PeerStats, now: number = this.#clock()): RekeyAdvice {
    if (stats.id !== this.peer) throw invalid("stats.id", `${stats.id} is not peer ${this.peer}`);
    const usage = usageOf(stats);
    if (this.#seen !== undefined && this.#seen.generation !== stats.generation) {
      for (const entry of this.#slots.values()) entry.before = NO_USAGE;
    }
    this.#seen = { generation: stats.generation, usage };
    const primary = this.#slots.get("primary");
    const secondary = this.#slots.get("secondary");
    const keyId = primary?.id;
    const encrypting = primary?.order ?? this.#exhausted ?? 0;
    const waiting = secondary !== undefined && !secondary.forgotten && secondary.order > encrypting;
    if (waiting) return { rekey: false, reason: undefined, keyId };
    if (primary === undefined) {
      const exhausted = this.#exhausted !== undefined;
      return { rekey: exhausted, reason: exhausted ? "exhausted" : undefined, keyId };
    }
    const seconds = (now - primary.installedAt) / 1000;
    const reason = usedUp(usageSince(usage, primary.before), seconds, primary.cipher, this.#limits);
    return { rekey: reason !== undefined, reason, keyId };
  }

  #entry(id: number | undefined, cipher: KeyInfo["cipher"]): Entry {
    const before = this.#seen?.usage ?? NO_USAGE;
    return {
      id,
      cipher,
      installedAt: this.#clock(),
      order: ++this.#order,
      before,
      forgotten: id === undefined,
    };
  }

  #slotOf(id: number): KeySlot | undefined {
    for (const [slot, entry] of this.#slots) if (entry.id === id && !entry.forgotten) return slot;
    return undefined;
  }

  /** The next id in OpenVPN's order that is in no slot. */
  #freeId(): number {
    const used = [...this.#slots.values()].map((entry) => entry.id);
    let id = this.#nextId;
    while (used.includes(id)) id = following(id);
    return id;
  }

  #checkId(given: unknown): number {
    const id = readInteger(given, "id", 0, MAX_KEY_ID);
    const slot = this.#slotOf(id);
    if (slot !== undefined) throw invalid("id", `key id ${id} is in the ${slot} slot`);
    return id;
  }

  async #swap(call: CallOptions | undefined): Promise<void> {
    try {
      await this.#target.swapKeys(this.peer, call);
    } catch (error) {
      if (!hadNoEffect(error)) {
        this.#outOfStep = inconsistent("a swap failed, and which key encrypts is not known", error);
      }
      throw error;
    }
    const primary = this.#slots.get("primary");
    const secondary = this.#slots.get("secondary");
    this.#slots.clear();
    if (secondary) this.#slots.set("primary", secondary);
    if (primary) this.#slots.set("secondary", primary);
  }

  /** Where the kernel deletes no keys, the next one overwrites the slot. */
  async #delete(slot: KeySlot, call: CallOptions | undefined): Promise<void> {
    try {
      if (this.#canDelete) await this.#target.deleteKey(this.peer, slot, call);
    } catch (error) {
      const entry = this.#slots.get(slot);
      if (entry && !hadNoEffect(error)) {
        entry.forgotten = true;
        // A secondary key can be deleted again. But whether there is a primary decides where the next one goes.
        if (slot === "primary") {
          this.#outOfStep = inconsistent("a delete failed, and whether a key encrypts is not known", error);
        }
      }
      throw error;
    }
    this.#slots.delete(slot);
  }

  async #deleteBoth(call: CallOptions | undefined): Promise<void> {
    if (!this.#canDelete) {
      throw unsupported("deleteKey", "this driver deletes no keys; remove the peer to drop them all");
    }
    await this.#delete("primary", call);
    await this.#delete("secondary", call);
    this.#outOfStep = undefined;
    this.#exhausted = undefined;
  }

  #checkInStep(): void {
    if (this.#outOfStep) throw this.#outOfStep;
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const work = this.#queue.then(task);
    this.#queue = work.catch(() => {});
    return work;
  }
}

/** The key id after this one: 0 is for a session's first key alone. */
function following(id: number): number {
  return id >= MAX_KEY_ID ? 1 : id + 1;
}

function checkLimits(limits: RekeyLimits): Required<RekeyLimits> {
  const { seconds = REKEY_SECONDS, bytes = 0, packets = REKEY_PACKETS } = limits;
  return {
    seconds: readInteger(seconds, "limits.seconds", 0, Number.MAX_SAFE_INTEGER),
    bytes: readInteger(bytes, "limits.bytes", 0, Number.MAX_SAFE_INTEGER),
    packets: readInteger(packets, "limits.packets", 1, REKEY_PACKETS),
  };
}

function inconsistent(problem: string, cause?: unknown): DcoError {
  return new DcoError("protocol", `${problem}; the session has to start again`, { effect: "none", cause });
}

/** Whether a failed request certainly left the kernel as it was. */
function hadNoEffect(error: unknown): boolean {
  if (!DcoError.is(error)) return false;
  if (error.effect !== undefined) return error.effect === "none";
  return ["invalid", "unsupported", "not-found", "permission"].includes(error.code);
}
