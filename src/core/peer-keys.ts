/**
 * The key verbs: slots are kept here, because not every kernel keeps them in order.
 */
import type { BackendInterface, KeyRequest } from "./backend.ts";
import { DcoError, hadNoEffect, invalid } from "./errors.ts";
import { KeyLedger } from "./key-ledger.ts";
import type { KeySlot } from "./model.ts";
import type { PeerRecord } from "./peer-table.ts";
import { at } from "./validate.ts";
import { isWiped } from "./wipe-key.ts";

/** Installs, swaps and deletes keys of one interface's peers. */
export class PeerKeys {
  readonly #backend: BackendInterface;
  readonly #encrypt = new KeyLedger();
  readonly #decrypt = new KeyLedger();

  constructor(backend: BackendInterface) {
    this.#backend = backend;
  }

  /** @param path where the key stands in a bulk call */
  async install(record: PeerRecord, key: KeyRequest, path?: string): Promise<void> {
    checkSlot(record, key, path);
    checkContents(key, path);
    const encrypt = this.#encrypt.reserve(key.encryptKey);
    const decrypt = encrypt && this.#decrypt.reserve(key.decryptKey);
    if (!encrypt || !decrypt) {
      encrypt?.release();
      const field = at(path, encrypt ? "decrypt.key" : "encrypt.key");
      throw invalid(field, "this key was installed before; the packet counter would start again with it");
    }
    try {
      await this.#backend.installKey(record.id, key);
    } catch (error) {
      if (hadNoEffect(error)) {
        encrypt.release();
        decrypt.release();
      } else {
        encrypt.commit();
        decrypt.commit();
        // The kernel may have it or not: until it is told otherwise it is asked to delete, and to swap.
        record.slots.delete(key.slot);
        record.slotsUnknown = true;
      }
      throw error;
    }
    encrypt.commit();
    decrypt.commit();
    record.slots.set(key.slot, { slot: key.slot, id: key.id, cipher: key.cipher });
  }

  async swap(record: PeerRecord): Promise<void> {
    if (!record.slotsUnknown && !record.slots.has("secondary")) {
      throw new DcoError("not-found", `peer ${record.id} has no key in its secondary slot`);
    }
    try {
      await this.#backend.swapKeys(record.id);
    } catch (error) {
      if (!hadNoEffect(error)) {
        record.slots.clear();
        record.slotsUnknown = true;
      }
      throw error;
    }
    const primary = record.slots.get("primary");
    const secondary = record.slots.get("secondary");
    record.slots.clear();
    if (secondary) record.slots.set("primary", { ...secondary, slot: "primary" });
    if (primary) record.slots.set("secondary", { ...primary, slot: "secondary" });
  }

  async delete(record: PeerRecord, slot: KeySlot): Promise<void> {
    if (!record.slotsUnknown && !record.slots.has(slot)) return;
    await this.#backend.deleteKey(record.id, slot);
    record.slots.delete(slot);
  }
}

/** A key that waited for its turn may have been wiped meanwhile, by the call before or by the caller. */
function checkContents({ encryptKey, decryptKey }: KeyRequest, path: string | undefined): void {
  for (const [field, bytes] of [
    ["encrypt.key", encryptKey],
    ["decrypt.key", decryptKey],
  ] as const) {
    if (isWiped(bytes)) throw invalid(at(path, field), "is all zero: it was wiped, or never filled");
  }
}

function checkSlot(record: PeerRecord, key: KeyRequest, path: string | undefined): void {
  if (key.slot === "secondary" && !record.slots.has("primary") && !record.slotsUnknown) {
    throw invalid(at(path, "slot"), "the primary slot is empty; the first key goes there");
  }
  const other = record.slots.get(key.slot === "primary" ? "secondary" : "primary");
  if (other?.id === key.id) {
    throw invalid(
      at(path, "id"),
      `key id ${key.id} is in the ${other.slot} slot; packets could not tell the two apart`,
    );
  }
}
