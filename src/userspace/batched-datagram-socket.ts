/**
 * A UDP socket that takes and gives many datagrams in one system call: where the native interface is, on Linux.
 */
import type { IpAddress, IpEndpoint } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { formatIp, mapIpv4, parseIp, unmapIpv4 } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";
import { errnoError, errnoNumber } from "../ffi/errno.ts";
import type { Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { unpackSockaddr } from "../ffi/sockaddr.ts";
import { adoptSocket } from "../sockets/adopt-socket.ts";
import { readBatches } from "../sockets/batch-reader.ts";
import { sourceControl } from "../sockets/message-slots.ts";
import { SendQueue } from "../sockets/send-queue.ts";
import {
  AF_INET,
  AF_INET6,
  anyAddress,
  boundTo,
  familyOf,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_V6ONLY,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_SOCKET,
  socketAddress,
} from "../sockets/socket-address.ts";
import type { Destination } from "./data/data-socket.ts";
import type { DatagramHandlers, DatagramSocket, DatagramSocketRequest } from "./datagram-socket.ts";
import { bindError } from "./errors.ts";
import { loadNative, type Native } from "./native.ts";

const EAGAIN = errnoNumber("EAGAIN", "linux") as number;

/** How often and how long a control packet waits for room in the socket's buffer. */
const SEND_RETRY_MS = 5;
const SEND_TIMEOUT_MS = 5000;

/** The socket may be one that was the caller's. */
const MSG_DONTWAIT = 0x40;

/**
 * Opens a UDP socket, or adopts one; undefined where it cannot be done in this way. Errors: `busy`, `socket`,
 * `permission`.
 */
export function openBatchedDatagramSocket(request: DatagramSocketRequest): DatagramSocket | undefined {
  const found = loadNative();
  if (found === undefined) return undefined;
  const { posix } = found;
  const { adopt } = request;
  const fd = adopt ? adoptSocket(posix, adopt, "udp") : open(posix, request);
  const taken = adopt?.ownership === "take";
  try {
    // More than the system allows becomes as much as it allows.
    posix.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, request.receiveBuffer);
    return new BatchedDatagramSocket(found, fd, taken);
  } catch (error) {
    // A socket that was to be taken stays the caller's.
    if (!taken) posix.close(fd);
    throw error;
  }
}

function open(posix: Posix, { family, local, dualStack }: DatagramSocketRequest): number {
  const fd = posix.socket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM, IPPROTO_UDP);
  try {
    if (family === 6) posix.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, dualStack ? 0 : 1);
    bind(posix, fd, local, family);
    return fd;
  } catch (error) {
    posix.close(fd);
    throw error;
  }
}

function bind(posix: Posix, fd: number, local: IpEndpoint | undefined, family: 4 | 6): void {
  try {
    posix.bind(fd, local ? socketAddress(local, family) : anyAddress(family));
  } catch (error) {
    const { message, native } = error as DcoError;
    throw bindError(Object.assign(new Error(message), { code: native?.name, syscall: "bind" }), local);
  }
}

/** With the bytes that system calls want. */
interface BatchedDestination extends Destination {
  readonly bytes: Uint8Array;
  /** The control message that says where it comes from. */
  readonly source: Uint8Array | undefined;
}

/** Who sent a packet. */
type Sender = Pick<Destination, "address" | "port">;

class BatchedDatagramSocket implements DatagramSocket {
  readonly local: Endpoint;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  readonly #ffi: Ffi;
  readonly #posix: Posix;
  readonly #fd: number;
  readonly #taken: boolean;
  readonly #queue: SendQueue;
  #stopReading: (() => void) | undefined;
  #closed = false;

  /**
   * @param fd bound; becomes the socket's
   * @param taken it was the caller's, and stays his if it cannot be read
   */
  constructor({ ffi, posix }: Native, fd: number, taken: boolean) {
    const { address, port, scopeId } = boundTo(posix, fd) as Endpoint;
    this.local = endpointOf(parseIp(address) as Uint8Array, port, scopeId ?? 0);
    this.#ffi = ffi;
    this.#posix = posix;
    this.#fd = fd;
    this.#taken = taken;
    this.family = familyOf(posix, fd);
    this.dualStack = this.family === 6 && posix.getsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY) === 0;
    this.#queue = new SendQueue(ffi, posix, fd);
  }

  start({ onPacket, onEnd }: DatagramHandlers): void {
    try {
      this.#stopReading = readBatches<Sender>(this.#ffi, this.#posix, this.#fd, {
        sender(bytes) {
          const {
            address,
            port,
            scopeId = 0,
          } = unpackSockaddr(bytes) as NonNullable<ReturnType<typeof unpackSockaddr>>;
          return { address: addressWords(address, scopeId), port };
        },
        onPacket: (packet, { address, port }) => onPacket(packet, address, port),
        onEnd,
      });
    } catch (error) {
      if (this.#taken) this.#closed = true;
      throw error;
    }
  }

  async send(packet: Uint8Array, to: Destination): Promise<void> {
    // What was sent before it goes before it.
    this.#queue.flush();
    const { bytes, endpoint } = to as BatchedDestination;
    for (let waited = 0; ; waited += SEND_RETRY_MS) {
      if (this.#closed) throw new DcoError("closed", "the transport is closed", { effect: "none" });
      const sent = this.#queue.isEmpty ? this.#posix.sendto(this.#fd, packet, MSG_DONTWAIT, bytes) : -EAGAIN;
      if (sent >= 0) return;
      if (sent !== -EAGAIN) throw errnoError(-sent, "send", endpoint.address);
      if (waited >= SEND_TIMEOUT_MS) {
        throw new DcoError("timeout", "the socket's send buffer stayed full", { effect: "none" });
      }
      await new Promise((resolve) => setTimeout(resolve, SEND_RETRY_MS));
    }
  }

  sendData(packet: Buffer, to: Destination): boolean {
    const { bytes, source } = to as BatchedDestination;
    return this.#queue.push(packet, bytes, source);
  }

  destination(endpoint: IpEndpoint, local?: IpAddress): BatchedDestination {
    const { text, port, scopeId, bytes } = endpoint;
    const from = local?.family === endpoint.family ? local.bytes : undefined;
    return {
      endpoint: endpointOf(bytes, port, scopeId),
      address: addressWords(text, scopeId),
      port,
      bytes: socketAddress(endpoint, this.family),
      source: from && sourceControl(this.family === 6 ? mapIpv4(from) : from),
    };
  }

  sender(words: string, port: number, local?: IpAddress): BatchedDestination {
    const [text, zone] = words.split("%") as [string, string | undefined];
    const bytes = unmapIpv4(parseIp(text) as Uint8Array);
    const family = bytes.length === 4 ? 4 : 6;
    const endpoint = { text: formatIp(bytes), bytes, family, port, scopeId: Number(zone ?? 0) } as const;
    return this.destination(endpoint, local);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.close();
    this.#stopReading?.();
    this.#posix.close(this.#fd);
  }
}

/** IPv4-mapped IPv6 is IPv4. */
function addressWords(address: string, scopeId: number): string {
  const bytes = address.startsWith("::ffff:") ? parseIp(address) : undefined;
  const text = bytes ? formatIp(unmapIpv4(bytes)) : address;
  return scopeId === 0 ? text : `${text}%${scopeId}`;
}

function endpointOf(bytes: Uint8Array, port: number, scopeId: number): Endpoint {
  const address = formatIp(unmapIpv4(bytes));
  return scopeId === 0 ? { address, port } : { address, port, scopeId };
}
