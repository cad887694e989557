/**
 * An empty primary slot, as the contract has it.
 *
 * The kernel remembers an empty slot as one of key id 0, and looks into the primary first: packets of a key with id 0 in
 * the secondary slot alone would be dropped. So a primary that is emptied beside such a key gets one that nobody else
 * has, of another id: what is sent with it nobody can read.
 */
import { randomBytes } from "node:crypto";
import type { KeySlot } from "../core/model.ts";
import type { NewKey } from "./messages.ts";

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const TAIL_BYTES = 8;
/** Any but 0. Core puts no key beside an empty primary, so it meets no other of this id. */
const DEAD_ID = 7;

interface Slots {
  readonly primary: number | "dead" | undefined;
  readonly secondary: number | undefined;
}

const EMPTY: Slots = { primary: undefined, secondary: undefined };

/** What emptying a slot takes. */
export type Emptying = { readonly install: NewKey } | { readonly remove: readonly KeySlot[] };

/** What the slots of peers hold, as far as it was put there by this process. */
export class KeyIds {
  readonly #slots = new Map<number, Slots>();

  installed(peer: number, slot: KeySlot, id: number): void {
    this.#slots.set(peer, { ...this.#of(peer), [slot]: id });
  }

  swapped(peer: number): void {
    const { primary, secondary } = this.#of(peer);
    // A key that nobody has is as good as none where it is only looked for.
    this.#slots.set(peer, { primary: secondary, secondary: primary === "dead" ? undefined : primary });
  }

  emptied(peer: number, slot: KeySlot): void {
    const slots = this.#of(peer);
    const isDead = slot === "primary" ? slots.secondary === 0 : false;
    const rest = slot === "secondary" && slots.primary === "dead" ? EMPTY : slots;
    this.#slots.set(peer, { ...rest, [slot]: isDead ? "dead" : undefined });
  }

  ended(peer: number): void {
    this.#slots.delete(peer);
  }

  /** How to empty a slot; `emptied` is to be told. */
  emptying(peer: number, slot: KeySlot): Emptying {
    const { primary, secondary } = this.#of(peer);
    if (slot === "secondary" && primary === "dead") return { remove: ["primary", "secondary"] };
    if (slot === "primary" && secondary === 0) return { install: deadKey(peer) };
    return { remove: [slot] };
  }

  #of(peer: number): Slots {
    return this.#slots.get(peer) ?? EMPTY;
  }
}

function deadKey(peer: number): NewKey {
  const direction = () => ({ key: randomBytes(KEY_BYTES), nonceTail: randomBytes(TAIL_BYTES) });
  return {
    peer,
    slot: "primary",
    keyId: DEAD_ID,
    cipher: CIPHER,
    encrypt: direction(),
    decrypt: direction(),
  };
}
