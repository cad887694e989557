/**
 * Interfaces of the cloner: create, find, list, destroy.
 */
import { DcoError } from "../core/errors.ts";
import type { InterfaceInfo, InterfaceMode } from "../core/model.ts";
import { isErrno, OvpnExchange } from "./exchange.ts";
import {
  IFF_BROADCAST,
  IFF_MULTICAST,
  IFF_RUNNING,
  IFF_UP,
  ifClonereq,
  ifgroupreq,
  ifreq,
  ifreqBuffer,
  ifreqFlags,
  ifreqPointer,
  NAME_BYTES,
  readBufferLength,
  readClonerTotal,
  readFlags,
  readGroupLength,
  readIndex,
  readInt,
  readName,
  SIOCGIFDESCR,
  SIOCGIFFLAGS,
  SIOCGIFGMEMB,
  SIOCGIFINDEX,
  SIOCGIFMTU,
  SIOCIFCREATE2,
  SIOCIFDESTROY,
  SIOCIFGCLONERS,
  SIOCSIFDESCR,
  SIOCSIFFLAGS,
  SIOCSIFNAME,
} from "./ioctl.ts";
import { setIfMode } from "./messages.ts";
import { birthName, type Mark, ownMark, readMark } from "./owner.ts";
import type { Stack } from "./stack.ts";
import type { Sysctl } from "./sysctl.ts";

/** The cloner's name, and that of the group which its interfaces are in. */
const CLONER = "openvpn";

/** What one early backport called it. */
const OLD_CLONER = "ovpn";

const DESCRIPTION_BYTES = 256;

/** How often, and how long, an interface that is busy is asked again to go. */
const DESTROY_TRIES = 100;
const DESTROY_WAIT_MS = 10;

/** Numbers tried for the name of an interface that was given none. */
const MOST_NUMBERS = 1000;

/** An interface of the cloner's. */
export interface LinkInfo {
  readonly name: string;
  readonly index: number;
  readonly flags: number;
  readonly mtu: number;
  readonly mark: Mark | undefined;
}

/** What to create. */
export interface LinkOptions {
  readonly mode: InterfaceMode;
  readonly name: string | undefined;
  /** Whether the system sends multicast packets of its own through it, such as who listens to what (MLD). */
  readonly multicast: boolean;
}

/** Whether this stack can make interfaces of `if_ovpn`. */
export function hasCloner(stack: Stack): boolean {
  const count = ifClonereq(0, 0n);
  stack.ioctl(SIOCIFGCLONERS, count);
  const total = readClonerTotal(count);
  const names = Buffer.alloc(Math.max(1, total) * NAME_BYTES);
  stack.ioctl(SIOCIFGCLONERS, ifClonereq(total, stack.system.ffi.addressOf(names)));
  for (let at = 0; at < names.length; at += NAME_BYTES) {
    if ([CLONER, OLD_CLONER].includes(readName(names, at))) return true;
  }
  return false;
}

/** True when packets can flow: administratively up, and started by START_VPN. */
export function isLinkUp(flags: number): boolean {
  return (flags & (IFF_UP | IFF_RUNNING)) === (IFF_UP | IFF_RUNNING);
}

/** Errors: `not-found`. */
export function readLinkFlags(stack: Stack, name: string): number {
  return readFlags(ask(stack, SIOCGIFFLAGS, name));
}

/** Errors: `not-found`. */
export function readMtu(stack: Stack, name: string): number {
  return readInt(ask(stack, SIOCGIFMTU, name));
}

/** Raises or lowers an interface, if it is not so yet. */
export function setUp(stack: Stack, name: string, up: boolean): void {
  const flags = readLinkFlags(stack, name);
  if (((flags & IFF_UP) !== 0) === up) return;
  stack.ioctl(SIOCSIFFLAGS, ifreqFlags(name, up ? flags | IFF_UP : flags & ~IFF_UP));
}

/** The index of an interface of any kind; undefined if there is none of this name. */
export function indexOf(stack: Stack, name: string): number | undefined {
  try {
    return readIndex(ask(stack, SIOCGIFINDEX, name));
  } catch (error) {
    if (isErrno(error, "ENXIO", "EINVAL")) return undefined;
    throw error;
  }
}

/** Finds an interface by name. Errors: `not-found`, `invalid` (it is not the cloner's). */
export function requireLink(stack: Stack, sysctl: Sysctl, name: string): LinkInfo {
  const index = indexOf(stack, name);
  if (index === undefined)
    throw new DcoError("not-found", `there is no interface ${name}`, { effect: "none" });
  if (!members(stack).includes(name)) {
    const problem = `interface ${name} is not one of if_ovpn`;
    throw new DcoError("invalid", problem, { field: "name", effect: "none" });
  }
  return describe(stack, sysctl, name);
}

/** Creates an interface with our mark. Errors: `exists`, `permission`. */
export async function createLink(
  stack: Stack,
  sysctl: Sysctl,
  { mode, name: wanted, multicast }: LinkOptions,
): Promise<LinkInfo> {
  const request = ifreq(birthName(sysctl));
  await stack.ioctlAsync(SIOCIFCREATE2, request);
  let name = readName(request);
  try {
    setDescription(stack, name, ownMark(sysctl, mode));
    // Both modes: a point-to-point interface of FreeBSD takes no address without that of the other end. With one
    // peer every packet goes to it all the same.
    const flags = IFF_BROADCAST | (multicast ? IFF_MULTICAST : 0);
    new OvpnExchange(stack, name).set("SET_IFMODE", setIfMode(flags));
    name = wanted === undefined ? renameToNumber(stack, name) : rename(stack, name, wanted);
    return describe(stack, sysctl, name);
  } catch (error) {
    stack.ioctl(SIOCIFDESTROY, ifreq(name));
    throw error;
  }
}

/** Destroys an interface; one that is gone is no error. */
export async function removeLink(stack: Stack, name: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await stack.ioctlAsync(SIOCIFDESTROY, ifreq(name));
      return;
    } catch (error) {
      if (isErrno(error, "ENXIO")) return;
      // Packets are being encrypted.
      if (!isErrno(error, "EBUSY") || tries === DESTROY_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, DESTROY_WAIT_MS));
    }
  }
}

/** All interfaces of the cloner's. */
export function listLinks(stack: Stack, sysctl: Sysctl): InterfaceInfo[] {
  return members(stack).flatMap((name) => {
    try {
      const { index, flags, mtu, mark } = describe(stack, sysctl, name);
      const up = (flags & IFF_UP) !== 0;
      const { mode, owner } = mark ?? {};
      return [{ name, index, mode, mtu, up, linkUp: isLinkUp(flags), owner }];
    } catch (error) {
      // It has gone meanwhile.
      if (isErrno(error, "ENXIO")) return [];
      throw error;
    }
  });
}

function describe(stack: Stack, sysctl: Sysctl, name: string): LinkInfo {
  return {
    name,
    index: readIndex(ask(stack, SIOCGIFINDEX, name)),
    flags: readLinkFlags(stack, name),
    mtu: readMtu(stack, name),
    mark: readMark(sysctl, name, readDescription(stack, name)),
  };
}

function ask(stack: Stack, request: number, name: string): Buffer {
  const bytes = ifreq(name);
  stack.ioctl(request, bytes);
  return bytes;
}

/** The names of the group's members. */
function members(stack: Stack): string[] {
  try {
    const size = ifgroupreq(CLONER, 0, 0n);
    stack.ioctl(SIOCGIFGMEMB, size);
    const length = readGroupLength(size);
    if (length === 0) return [];
    const names = Buffer.alloc(length);
    const request = ifgroupreq(CLONER, length, stack.system.ffi.addressOf(names));
    stack.ioctl(SIOCGIFGMEMB, request);
    const found: string[] = [];
    for (let at = 0; at < length; at += NAME_BYTES) found.push(readName(names, at));
    return found.filter((name) => name !== "");
  } catch (error) {
    // There has never been one. Or one more came between the two questions.
    if (isErrno(error, "ENOENT")) return [];
    if (isErrno(error, "EINVAL")) return members(stack);
    throw error;
  }
}

function setDescription(stack: Stack, name: string, description: string): void {
  const bytes = Buffer.from(`${description}\0`, "latin1");
  stack.ioctl(SIOCSIFDESCR, ifreqBuffer(name, bytes.length, stack.system.ffi.addressOf(bytes)), bytes);
}

function readDescription(stack: Stack, name: string): string | undefined {
  const bytes = Buffer.alloc(DESCRIPTION_BYTES);
  const request = ifreqBuffer(name, bytes.length, stack.system.ffi.addressOf(bytes));
  try {
    stack.ioctl(SIOCGIFDESCR, request);
  } catch (error) {
    if (isErrno(error, "ENOMSG")) return undefined;
    throw error;
  }
  // A longer one is not ours.
  const length = Math.min(readBufferLength(request), bytes.length);
  return bytes.toString("latin1", 0, Math.max(0, length - 1));
}

function rename(stack: Stack, from: string, to: string): string {
  const bytes = Buffer.alloc(NAME_BYTES);
  bytes.write(to, "latin1");
  try {
    stack.ioctl(SIOCSIFNAME, ifreqPointer(from, stack.system.ffi.addressOf(bytes)), bytes);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    throw new DcoError("exists", `there is an interface ${to} already`, { effect: "none", cause: error });
  }
  return to;
}

/** The lowest number that is free. */
function renameToNumber(stack: Stack, from: string): string {
  for (let number = 0; ; number++) {
    try {
      return rename(stack, from, `ovpn${number}`);
    } catch (error) {
      if (!DcoError.is(error) || error.code !== "exists" || number === MOST_NUMBERS) throw error;
    }
  }
}
