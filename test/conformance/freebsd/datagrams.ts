/**
 * UDP sockets of a jail for the userspace backend: this process cannot make sockets where the jail is.
 */
import type { IpEndpoint } from "../../../src/core/backend.ts";
import { formatIp, parseIp, unmapIpv4 } from "../../../src/core/ip.ts";
import type { Endpoint } from "../../../src/core/model.ts";
import { errnoError } from "../../../src/ffi/errno.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import type { VnetSockets } from "../../../src/freebsd/index.ts";
import { enlarge, SEND_BYTES, SO_SNDBUF } from "../../../src/freebsd/udp-transport.ts";
import {
  AF_INET,
  AF_INET6,
  bindTo,
  boundTo,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_V6ONLY,
  SO_RCVBUF,
  SOCK_DGRAM,
  socketAddress,
} from "../../../src/sockets/socket-address.ts";
import { readUdp, type StopReading } from "../../../src/sockets/udp-reader.ts";
import type { Destination } from "../../../src/userspace/data/data-socket.ts";
import type {
  DatagramHandlers,
  DatagramSocket,
  DatagramSocketRequest,
} from "../../../src/userspace/datagram-socket.ts";

/** See {@link DatagramSocket}. Addresses are in the contract's words: those of IPv4 are not mapped. */
class JailDatagrams implements DatagramSocket {
  readonly local: Endpoint;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  readonly #ffi = loadFfi();
  readonly #posix = createPosix(this.#ffi);
  readonly #fd: number;
  #stopReading: StopReading | undefined;

  constructor(
    sockets: Required<VnetSockets>,
    { family, local, dualStack, receiveBuffer }: DatagramSocketRequest,
  ) {
    const posix = this.#posix;
    this.family = family;
    this.dualStack = dualStack;
    this.#fd = sockets.socket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    try {
      if (family === 6) posix.setsockopt(this.#fd, IPPROTO_IPV6, IPV6_V6ONLY, dualStack ? 0 : 1);
      enlarge(posix, this.#fd, SO_RCVBUF, receiveBuffer);
      enlarge(posix, this.#fd, SO_SNDBUF, SEND_BYTES);
      bindTo(sockets, this.#fd, local, family);
    } catch (error) {
      posix.close(this.#fd);
      throw error;
    }
    this.local = boundTo(posix, this.#fd) as Endpoint;
  }

  start({ onPacket, onEnd }: DatagramHandlers): void {
    this.#stopReading = readUdp(this.#ffi, this.#posix, this.#fd, this.family, {
      onPacket: (data, { address, port }) =>
        onPacket(Buffer.from(data.buffer, data.byteOffset, data.length), address, port),
      onEnd,
    });
  }

  async send(packet: Uint8Array, { endpoint, address, port }: Destination): Promise<void> {
    const sent = this.#sendto(packet, address, port);
    if (sent < 0) throw errnoError(-sent, "send", endpoint.address);
  }

  sendData(packet: Buffer, { address, port }: Destination): boolean {
    return this.#sendto(packet, address, port) >= 0;
  }

  destination({ text, port }: IpEndpoint): Destination {
    return this.sender(text, port);
  }

  sender(address: string, port: number): Destination {
    return { endpoint: { address, port }, address, port };
  }

  async close(): Promise<void> {
    await this.#stopReading?.();
    await this.#posix.closeAsync(this.#fd);
  }

  #sendto(packet: Uint8Array, address: string, port: number): number {
    const bytes = unmapIpv4(parseIp(address) as Uint8Array);
    const family = bytes.length === 4 ? 4 : 6;
    const to = { family, bytes, text: formatIp(bytes), port, scopeId: 0 } as const;
    return this.#posix.sendto(this.#fd, packet, 0, socketAddress(to, this.family));
  }
}

/** Opens a socket in a jail. Errors: `busy`, `socket`. */
export function openJailDatagrams(
  sockets: Required<VnetSockets>,
  request: DatagramSocketRequest,
): DatagramSocket {
  return new JailDatagrams(sockets, request);
}
