/**
 * The key verbs: slots are kept here, because not every kernel keeps them in order.
 */
import type { BackendInterface, KeyRequest } from "./backend.ts";
import { DcoError, hadNoEffect, invalid } from "./errors.ts";
import { type KeyDigest, KeyLedger } from "./key-ledger.ts";
import { chain, type Maybe, settle } from "./maybe.ts";
import type { KeySlot } from "./model.ts";
import type { PeerRecord } from "./peer-table.ts";
import { at } from "./validate.ts";
import { isWiped } from "./wipe-key.ts";

/** A key on its way to the kernel. */
export interface Installation {
  readonly record: PeerRecord;
  readonly key: KeyRequest;
  readonly encrypt: KeyDigest;
  readonly decrypt: KeyDigest;
}

/** Installs, swaps and deletes keys of one interface's peers. */
export class PeerKeys {
  readonly #backend: BackendInterface;
  readonly #encrypt = new KeyLedger();
  readonly #decrypt = new KeyLedger();

  constructor(backend: BackendInterface) {
    this.#backend = backend;
  }

  /** @param path where the key stands in a bulk call */
  install(record: PeerRecord, key: KeyRequest, path?: string): Maybe<void> {
    const installation = this.begin(record, key, () => path);
    return settle(
      () => this.#backend.installKey(record.id, key),
      () => this.done(installation),
      (error) => this.failed(installation, error),
    );
  }

  /** Checks the key, and takes it down; then `done` or `failed`. */
  begin(record: PeerRecord, key: KeyRequest, path: () => string | undefined): Installation {
    checkSlot(record, key, path);
    checkContents(key, path);
    const encrypt = this.#encrypt.reserve(key.encryptKey);
    const decrypt = encrypt && this.#decrypt.reserve(key.decryptKey);
    if (!encrypt || !decrypt) {
      if (encrypt) this.#encrypt.release(encrypt);
      const field = at(path(), encrypt ? "decrypt.key" : "encrypt.key");
      throw invalid(field, "this key was installed before; the packet counter would start again with it");
    }
    return { record, key, encrypt, decrypt };
  }

  /** The kernel has the key. */
  done({ record, key }: Installation): void {
    record.slots.set(key);
  }

  failed({ record, key, encrypt, decrypt }: Installation, error: unknown): void {
    if (hadNoEffect(error)) {
      this.#encrypt.release(encrypt);
      this.#decrypt.release(decrypt);
      return;
    }
    // The kernel may have it or not: until it is told otherwise it is asked to delete, and to swap.
    record.slots.delete(key.slot);
    record.slotsUnknown = true;
  }

  swap(record: PeerRecord): Maybe<void> {
    this.checkSwap(record);
    return settle(
      () => this.#backend.swapKeys(record.id),
      () => record.slots.swap(),
      (error) => this.swapFailed(record, error),
    );
  }

  /** Errors: `not-found`. */
  checkSwap(record: PeerRecord): void {
    if (record.slotsUnknown || record.slots.secondary) return;
    throw new DcoError("not-found", `peer ${record.id} has no key in its secondary slot`);
  }

  swapFailed(record: PeerRecord, error: unknown): void {
    if (hadNoEffect(error)) return;
    record.slots.clear();
    record.slotsUnknown = true;
  }

  delete(record: PeerRecord, slot: KeySlot): Maybe<void> {
    if (!record.slotsUnknown && !record.slots[slot]) return;
    return chain(this.#backend.deleteKey(record.id, slot), () => record.slots.delete(slot));
  }
}

/** A key that waited for its turn may have been wiped meanwhile, by the call before or by the caller. */
function checkContents({ encryptKey, decryptKey }: KeyRequest, path: () => string | undefined): void {
  const empty = isWiped(encryptKey) ? "encrypt.key" : isWiped(decryptKey) ? "decrypt.key" : undefined;
  if (empty) throw invalid(at(path(), empty), "is all zero: it was wiped, or never filled");
}

function checkSlot(record: PeerRecord, key: KeyRequest, path: () => string | undefined): void {
  const { primary, secondary } = record.slots;
  if (key.slot === "secondary" && !primary && !record.slotsUnknown) {
    throw invalid(at(path(), "slot"), "the primary slot is empty; the first key goes there");
  }
  const other = key.slot === "primary" ? secondary : primary;
  if (other?.id === key.id) {
    throw invalid(
      at(path(), "id"),
      `key id ${key.id} is in the ${other.slot} slot; packets could not tell the two apart`,
    );
  }
}
