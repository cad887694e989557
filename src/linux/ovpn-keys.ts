/**
 * The keys of one interface's peers.
 */
import type { KeyRequest, Outcome } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import type { Maybe } from "../core/maybe.ts";
import type { KeyInfo, KeySlot } from "../core/model.ts";
import type { Acknowledgement } from "../netlink/codec/acknowledgement.ts";
import type { KeyDirection, NewKey } from "./ovpn/requests.ts";
import type { OvpnRequests } from "./ovpn-requests.ts";

/** An item of `installNow`. */
export interface KeyItem {
  readonly id: number;
  readonly key: KeyRequest;
}

/** See the module's comment. */
export class OvpnKeys {
  readonly #requests: OvpnRequests;
  readonly #warmCiphers: Set<string>;

  /** @param warmCiphers those whose kernel modules are loaded; shared by the interfaces of a driver */
  constructor(requests: OvpnRequests, warmCiphers: Set<string>) {
    this.#requests = requests;
    this.#warmCiphers = warmCiphers;
  }

  install(peer: number, key: KeyRequest): Maybe<void> {
    const request = newKeyOf(peer, key);
    if (!this.#warmCiphers.has(request.cipher)) return this.#installFirst(request);
    const { target, codec } = this.#requests;
    this.#requests.do((to, seq) => codec.keyNew(to, target, seq, request));
  }

  installNow(items: readonly KeyItem[]): readonly Outcome[] {
    if (items.some(({ key }) => !this.#warmCiphers.has(kernelCipher(key)))) return items.map(() => "later");
    const { target, codec } = this.#requests;
    return this.#requests.doMany(items.length, (to, seq, n) => {
      const { id, key } = items[n] as KeyItem;
      codec.keyNew(to, target, seq, newKeyOf(id, key));
    });
  }

  swap(peer: number): void {
    const { target, codec } = this.#requests;
    this.#requests.do((to, seq) => codec.keySwap(to, target, seq, peer));
  }

  swapNow(items: readonly { readonly id: number }[]): readonly Outcome[] {
    const { target, codec } = this.#requests;
    return this.#requests.doMany(items.length, (to, seq, n) =>
      codec.keySwap(to, target, seq, (items[n] as { readonly id: number }).id),
    );
  }

  delete(peer: number, slot: KeySlot): void {
    const { target, codec } = this.#requests;
    this.#requests.do((to, seq) => codec.keyDel(to, target, seq, peer, slot));
  }

  /**
   * Undefined where the kernel does not tell.
   *
   * @param ask fails if there is no such peer
   */
  list(peer: number, ask: () => unknown): KeyInfo[] | undefined {
    const { target, codec } = this.#requests;
    const { keyGet, decodeKey } = codec;
    if (!keyGet || !decodeKey) {
      ask();
      return undefined;
    }
    const keys: KeyInfo[] = [];
    for (const slot of ["primary", "secondary"] as const) {
      try {
        const key = this.#requests.ask(
          (to, seq) => keyGet(to, target, seq, peer, slot),
          decodeKey,
          saysSlotIsEmpty,
        );
        if (key) keys.push({ slot, id: key.keyId, cipher: key.cipher === "none" ? undefined : key.cipher });
      } catch (error) {
        // Of a slot or of the peer: peer-get tells.
        if (!DcoError.is(error) || error.code !== "not-found") throw error;
        ask();
      }
    }
    return keys;
  }

  /** With the first key of a cipher the kernel loads its modules, which can take seconds. */
  async #installFirst(request: NewKey): Promise<void> {
    const { target, codec } = this.#requests;
    // The request may wait for a lane: by then a caller who gave up may have zeroed his arrays.
    const copy = { ...request, encrypt: copyOf(request.encrypt), decrypt: copyOf(request.decrypt) };
    try {
      await this.#requests.doSlowly((to, seq) => codec.keyNew(to, target, seq, copy));
      this.#warmCiphers.add(request.cipher);
    } finally {
      for (const { key, nonceTail } of [copy.encrypt, copy.decrypt]) {
        key.fill(0);
        nonceTail.fill(0);
      }
    }
  }
}

const ENOENT = 2;

/** ENOENT for an empty slot as for an unknown peer: the text tells, where the kernel gives one. */
function saysSlotIsEmpty({ errno, extack }: Acknowledgement): boolean {
  return errno === ENOENT && extack.text?.includes("slot") === true;
}

function kernelCipher({ cipher }: KeyRequest): NewKey["cipher"] {
  return cipher === "chacha20-poly1305" ? cipher : "aes-gcm";
}

function newKeyOf(peer: number, key: KeyRequest): NewKey {
  return {
    peer,
    slot: key.slot,
    keyId: key.id,
    cipher: kernelCipher(key),
    encrypt: { key: key.encryptKey, nonceTail: key.encryptNonceTail },
    decrypt: { key: key.decryptKey, nonceTail: key.decryptNonceTail },
  };
}

function copyOf({ key, nonceTail }: KeyDirection): KeyDirection {
  return { key: Uint8Array.from(key), nonceTail: Uint8Array.from(nonceTail) };
}
