/**
 * What the two key slots of a peer hold.
 */
import type { KeyInfo, KeySlot } from "./model.ts";

/** A key in either slot. There are few different ones, which peers by the thousand share. */
interface SlotKey {
  readonly primary: KeyInfo;
  readonly secondary: KeyInfo;
}

/** By cipher, then by key id; where the id is not known it stands for -1. */
const known = new Map<KeyInfo["cipher"], Map<number, SlotKey>>();

function slotKey({ id, cipher }: KeyInfo): SlotKey {
  let ofCipher = known.get(cipher);
  if (ofCipher === undefined) {
    ofCipher = new Map();
    known.set(cipher, ofCipher);
  }
  let key = ofCipher.get(id ?? -1);
  if (key === undefined) {
    const inSlot = (slot: KeySlot) => Object.freeze({ slot, id, cipher });
    key = { primary: inSlot("primary"), secondary: inSlot("secondary") };
    ofCipher.set(id ?? -1, key);
  }
  return key;
}

/** The slots of one peer, as far as they are known. */
export class KeySlots {
  #primary: SlotKey | undefined = undefined;
  #secondary: SlotKey | undefined = undefined;

  get primary(): KeyInfo | undefined {
    return this.#primary?.primary;
  }

  get secondary(): KeyInfo | undefined {
    return this.#secondary?.secondary;
  }

  all(): KeyInfo[] {
    const { primary, secondary } = this;
    if (primary === undefined) return secondary === undefined ? [] : [secondary];
    return secondary === undefined ? [primary] : [primary, secondary];
  }

  set(key: KeyInfo): void {
    if (key.slot === "primary") this.#primary = slotKey(key);
    else this.#secondary = slotKey(key);
  }

  delete(slot: KeySlot): void {
    if (slot === "primary") this.#primary = undefined;
    else this.#secondary = undefined;
  }

  clear(): void {
    this.#primary = undefined;
    this.#secondary = undefined;
  }

  swap(): void {
    const primary = this.#primary;
    this.#primary = this.#secondary;
    this.#secondary = primary;
  }
}
