/**
 * The addresses of an interface: those that were asked for, and no others.
 */
import type { IpPrefix } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import {
  type AddressInfo,
  decodeAddress,
  deleteAddress,
  dumpAddresses,
  IFA_F_NODAD,
  newAddress,
} from "./codec/address.ts";
import type { NetworkContext } from "./context.ts";
import { RTNL_FORMAT } from "./formats.ts";

const EADDRNOTAVAIL = 99;

/** The addresses of one interface. */
export class Addresses {
  readonly #context: NetworkContext;
  readonly #index: number;
  /** As last asked for. */
  #wanted: readonly IpPrefix[] = [];

  constructor(context: NetworkContext, index: number) {
    this.#context = context;
    this.#index = index;
  }

  /** Whether the interface has, or gets back when it comes up, an IPv6 address that is not the kernel's own. */
  get hasIpv6(): boolean {
    if (this.#wanted.some(({ family }) => family === 6)) return true;
    return this.#present().some(({ address }) => address.length === 16 && !isLinkLocal(address));
  }

  /** Makes the interface have exactly these, besides link-local ones. */
  set(wanted: readonly IpPrefix[]): void {
    this.#wanted = [];
    for (const have of this.#present()) {
      if (!isLinkLocal(have.address) && !wanted.some((want) => isSame(want, have))) this.#delete(have);
    }
    // Asked for again: with the first address of a prefix the kernel may have removed the others.
    const present = this.#present();
    for (const want of wanted) if (!present.some((have) => isSame(want, have))) this.#add(want);
    this.#wanted = wanted;
  }

  /** Adds those that the kernel has dropped: IPv6 addresses, when the interface went down. */
  restore(): void {
    const dropped = this.#wanted.filter(({ family }) => family === 6);
    if (dropped.length === 0) return;
    const present = this.#present();
    for (const want of dropped) if (!present.some((have) => isSame(want, have))) this.#add(want);
  }

  #present(): AddressInfo[] {
    return this.#context.rtnl
      .request(RTNL_FORMAT, (to, seq) => dumpAddresses(to, seq, this.#index), copyAddress)
      .filter((address) => address.index === this.#index);
  }

  #add(want: IpPrefix): void {
    const address = { index: this.#index, address: want.bytes, prefixLength: want.length };
    // There is nobody on the link to ask for duplicates, and a tentative address could not be used yet.
    const flags = want.family === 6 ? { flags: IFA_F_NODAD } : {};
    this.#context.rtnl.request(RTNL_FORMAT, (to, seq) =>
      newAddress(to, seq, { ...address, ...flags }, "replace"),
    );
  }

  #delete(have: AddressInfo): void {
    try {
      this.#context.rtnl.request(RTNL_FORMAT, (to, seq) => deleteAddress(to, seq, have));
    } catch (error) {
      if (!DcoError.is(error) || error.native?.number !== EADDRNOTAVAIL) throw error;
    }
  }
}

function copyAddress(message: Parameters<typeof decodeAddress>[0]): AddressInfo | undefined {
  const info = decodeAddress(message);
  return (
    info && { ...info, address: Uint8Array.from(info.address), peer: info.peer && Uint8Array.from(info.peer) }
  );
}

function isSame(want: IpPrefix, have: AddressInfo): boolean {
  return want.length === have.prefixLength && Buffer.compare(want.bytes, have.address) === 0;
}

/** fe80::/10 addresses are the kernel's own business. */
function isLinkLocal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] === 0xfe && ((address[1] as number) & 0xc0) === 0x80;
}
