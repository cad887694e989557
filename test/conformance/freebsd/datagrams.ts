/**
 * UDP sockets of a jail in the form of `node:dgram`'s, for the userspace backend: this process cannot make sockets where
 * the jail is, and Bun takes no descriptors.
 */
import type { Socket, SocketOptions } from "node:dgram";
import { EventEmitter } from "node:events";
import { parseIp } from "../../../src/core/ip.ts";
import { type Ffi, loadFfi } from "../../../src/ffi/index.ts";
import { createPosix, type Posix } from "../../../src/ffi/posix.ts";
import { packSockaddrBytes, SOCKADDR_BYTES, unpackSockaddr } from "../../../src/ffi/sockaddr.ts";
import type { VnetSockets } from "../../../src/freebsd/index.ts";
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_V6ONLY,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_SOCKET,
} from "../../../src/sockets/socket-address.ts";
import { readUdp, type StopReading } from "../../../src/sockets/udp-reader.ts";

type Sent = (error: Error | null) => void;

/** sys/socket.h */
const SO_SNDBUF = 0x1001;

/** What the userspace backend uses of a socket; addresses have no zones. */
class JailDatagrams extends EventEmitter {
  readonly #ffi: Ffi = loadFfi();
  readonly #posix: Posix = createPosix(this.#ffi);
  readonly #sockets: Required<VnetSockets>;
  readonly #family: 4 | 6;
  readonly #fd: number;
  #stopReading: StopReading | undefined;

  constructor(sockets: Required<VnetSockets>, { type, ipv6Only }: SocketOptions) {
    super();
    this.#sockets = sockets;
    this.#family = type === "udp6" ? 6 : 4;
    const six = this.#family === 6;
    this.#fd = sockets.socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (six) this.#posix.setsockopt(this.#fd, IPPROTO_IPV6, IPV6_V6ONLY, ipv6Only ? 1 : 0);
  }

  bind({ address, port }: { readonly address: string; readonly port: number }): void {
    this.#sockets.bind(this.#fd, this.#sockaddr(address, port));
    this.#stopReading = readUdp(this.#ffi, this.#posix, this.#fd, this.#family, {
      onPacket: (data, from) => {
        const mapped = this.#family === 6 && !from.address.includes(":");
        const address = mapped ? `::ffff:${from.address}` : from.address;
        this.emit("message", Buffer.from(data.buffer, data.byteOffset, data.length), { ...from, address });
      },
      onEnd: (error) => this.emit("error", error),
    });
    process.nextTick(() => this.emit("listening"));
  }

  address(): { address: string; port: number } {
    const bytes = Buffer.alloc(SOCKADDR_BYTES);
    this.#posix.getsockname(this.#fd, bytes);
    return unpackSockaddr(bytes) as { address: string; port: number };
  }

  send(packet: Uint8Array, port: number, address: string, sent?: Sent): void {
    const result = this.#posix.sendto(this.#fd, packet, 0, this.#sockaddr(address, port));
    const error = result < 0 ? new Error(`sendto ${address}: ${result}`) : null;
    process.nextTick(() => sent?.(error));
  }

  setRecvBufferSize(size: number): void {
    this.#posix.setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUF, size);
  }

  getSendBufferSize(): number {
    return this.#posix.getsockoptInt(this.#fd, SOL_SOCKET, SO_SNDBUF);
  }

  setSendBufferSize(size: number): void {
    this.#posix.setsockopt(this.#fd, SOL_SOCKET, SO_SNDBUF, size);
  }

  /** The kernel's own buffer takes all, or none. */
  getSendQueueSize(): number {
    return 0;
  }

  close(closed?: () => void): void {
    const end = async () => {
      await this.#stopReading?.();
      await this.#posix.closeAsync(this.#fd);
      closed?.();
    };
    void end();
  }

  #sockaddr(address: string, port: number): Buffer {
    return packSockaddrBytes(parseIp(address) as Uint8Array, port);
  }
}

/** As `createSocket` of `node:dgram`, in a jail. */
export function jailDatagrams(sockets: Required<VnetSockets>, options: SocketOptions): Socket {
  return new JailDatagrams(sockets, options) as unknown as Socket;
}
