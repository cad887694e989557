/**
 * The key verbs of one peer over two slots in memory, strict as the contract, with failures on demand.
 */
import { DcoError, invalid } from "../../../src/core/errors.ts";
import type { KeyScheduleTarget } from "../../../src/core/key-schedule-types.ts";
import type { CallOptions, KeyOptions, KeySlot } from "../../../src/core/model.ts";

/** How the next verb fails: without effect, or with an unknown one while the kernel did or did not act. */
export type Failure = "none" | "unknown" | "unknown, but done";

export class FakeKeyTarget implements KeyScheduleTarget {
  readonly slots = new Map<KeySlot, number>();
  /** What the kernel was asked, such as `new primary 0`, `swap`, `delete secondary`. */
  readonly commands: string[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  failNext: Failure | undefined;
  /** Verbs under way; more than one at a time is a fault of the schedule. */
  #busy = 0;

  async installKey(_peer: number, key: KeyOptions, call?: CallOptions): Promise<void> {
    await this.#do(`new ${key.slot} ${key.id}`, call, () => {
      const other = this.slots.get(key.slot === "primary" ? "secondary" : "primary");
      if (key.slot === "secondary" && other === undefined) throw invalid("slot", "the primary slot is empty");
      if (other === key.id) throw invalid("id", "is in both slots");
      return () => this.slots.set(key.slot, key.id);
    });
  }

  async swapKeys(_peer: number, call?: CallOptions): Promise<void> {
    await this.#do("swap", call, () => {
      const { primary, secondary } = Object.fromEntries(this.slots);
      if (secondary === undefined) throw new DcoError("not-found", "the secondary slot is empty");
      return () => {
        this.slots.set("primary", secondary);
        if (primary === undefined) this.slots.delete("secondary");
        else this.slots.set("secondary", primary);
      };
    });
  }

  async deleteKey(_peer: number, slot: KeySlot, call?: CallOptions): Promise<void> {
    await this.#do(`delete ${slot}`, call, () => () => this.slots.delete(slot));
  }

  /** The kernel has run out of packet ids. */
  destroy(id: number): void {
    for (const [slot, held] of this.slots) if (held === id) this.slots.delete(slot);
  }

  async #do(command: string, call: CallOptions | undefined, prepare: () => () => void): Promise<void> {
    if (this.#busy++ > 0) throw new Error(`${command} while another verb is under way`);
    const failure = this.failNext;
    this.failNext = undefined;
    try {
      await new Promise((resolve) => setImmediate(resolve));
      if (failure === "none") throw new DcoError("system", "failed", { effect: "none" });
      const act = prepare();
      this.commands.push(command);
      this.signals.push(call?.signal);
      if (failure !== "unknown") act();
      if (failure !== undefined) throw new DcoError("system", "failed", { effect: "unknown" });
    } finally {
      this.#busy--;
    }
  }
}

/** The text of what is in the slots. */
export function slotsOf(target: FakeKeyTarget): {
  primary: number | undefined;
  secondary: number | undefined;
} {
  return { primary: target.slots.get("primary"), secondary: target.slots.get("secondary") };
}

/** A key of no importance. */
export function someKey(cipher: KeyOptions["cipher"] = "aes-256-gcm"): Omit<KeyOptions, "slot" | "id"> {
  const direction = (value: number) => ({
    key: new Uint8Array(32).fill(value),
    nonceTail: new Uint8Array(8).fill(value),
  });
  return { cipher, encrypt: direction(1), decrypt: direction(2) };
}

/** The error that a call ends with; fails if it ends well, or with something else. */
export async function failureOf(work: Promise<unknown>): Promise<DcoError> {
  try {
    await work;
  } catch (error) {
    if (DcoError.is(error)) return error;
    throw error;
  }
  throw new Error("the call did not fail");
}
