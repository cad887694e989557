/**
 * Netlink sockets for the programs that capture a kernel's answers. Not a test.
 */

import { release } from "node:os";
import koffi from "koffi";
import { MessageBuilder } from "../../src/netlink/codec/builder.ts";

/** A request and what the kernel answered, in hexadecimal: one string for each recv. */
export interface Exchange {
  readonly name: string;
  readonly note: string;
  readonly request: string;
  readonly answers: readonly string[];
}

const libc = koffi.load("libc.so.6");
const socketCall = libc.func("int socket(int domain, int type, int protocol)");
const bindCall = libc.func("int bind(int fd, const void *address, uint32_t size)");
const listenCall = libc.func("int listen(int fd, int backlog)");
const closeCall = libc.func("int close(int fd)");
const setsockopt = libc.func(
  "int setsockopt(int fd, int level, int option, const int *value, uint32_t size)",
);
const send = libc.func("intptr_t send(int fd, const void *data, size_t size, int flags)");
const sendto = libc.func(
  "intptr_t sendto(int fd, const void *data, size_t size, int flags, const void *address, uint32_t length)",
);
const recv = libc.func("intptr_t recv(int fd, void *data, size_t size, int flags)");

const AF_NETLINK = 16;
const SOL_NETLINK = 270;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const MSG_DONTWAIT = 0x40;

export const NETLINK_ADD_MEMBERSHIP = 1;
export const NETLINK_CAP_ACK = 10;
export const NETLINK_EXT_ACK = 11;
export const NETLINK_GET_STRICT_CHK = 12;

function check(result: number, what: string): number {
  if (result < 0) throw new Error(`${what} failed`);
  return result;
}

/** A bound netlink socket with the options switched on. */
export function openNetlink(protocol: number, options: readonly number[], groups = 0): number {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, protocol);
  for (const option of options) setOption(fd, SOL_NETLINK, option, 1);
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  address.writeUInt32LE(groups, 8);
  bindTo(fd, address);
  return fd;
}

export function openSocket(domain: number, type: number, protocol: number): number {
  return check(socketCall(domain, type | SOCK_CLOEXEC, protocol), "socket");
}

export function bindTo(fd: number, address: Uint8Array): void {
  check(bindCall(fd, address, address.length), "bind");
}

export function listenOn(fd: number): void {
  check(listenCall(fd, 1), "listen");
}

export function setOption(fd: number, level: number, option: number, value: number): void {
  check(setsockopt(fd, level, option, [value], 4), `option ${option}`);
}

export function joinGroup(fd: number, group: number): void {
  setOption(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
}

export function closeSocket(fd: number): void {
  check(closeCall(fd), "close");
}

export function sendTo(fd: number, data: Uint8Array, address: Uint8Array): void {
  check(Number(sendto(fd, data, data.length, 0, address, address.length)), "sendto");
}

const buffer = Buffer.alloc(1 << 18);

/** All that is queued: the kernel answers within send, and goes on with a dump at each recv. */
export function drain(fd: number): Buffer[] {
  const answers: Buffer[] = [];
  for (;;) {
    const size = Number(recv(fd, buffer, buffer.length, MSG_DONTWAIT));
    if (size < 0) return answers;
    answers.push(Buffer.from(buffer.subarray(0, size)));
  }
}

/** Collects exchanges, and prints them as a vector. */
export class Recorder {
  readonly #exchanges: Exchange[] = [];
  readonly #builder = new MessageBuilder();

  /** Sends what `build` appends, and records it with the answers. */
  exchange(fd: number, name: string, note: string, build: (builder: MessageBuilder) => void): Buffer[] {
    this.#builder.reset();
    build(this.#builder);
    const request = Buffer.from(this.#builder.bytes());
    check(Number(send(fd, request, request.length, 0)), `send of ${name}`);
    const answers = drain(fd);
    this.add(name, note, answers, request);
    return answers;
  }

  add(name: string, note: string, answers: readonly Buffer[], request: Buffer = Buffer.alloc(0)): void {
    this.#exchanges.push({
      name,
      note,
      request: request.toString("hex"),
      answers: answers.map((answer) => answer.toString("hex")),
    });
  }

  print(how: string, facts: Readonly<Record<string, unknown>>): void {
    const vector = { how, kernel: release(), ...facts, exchanges: this.#exchanges };
    console.log(JSON.stringify(vector, undefined, 2));
  }
}
