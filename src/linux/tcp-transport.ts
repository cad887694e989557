/**
 * A TCP connection that the kernel takes data packets from, and we the control packets.
 *
 * OpenVPN's frames on TCP are a length of two bytes and a packet. Until a peer is attached the socket is an
 * ordinary stream, of which nothing but whole frames may be read: the kernel goes on where we stop, and half a
 * frame in our hands would desynchronise it for good. So what has come is looked at (MSG_PEEK), and taken when
 * the frame is complete; SO_RCVLOWAT keeps the socket unreadable until then. With a peer the socket gives one
 * whole frame for each recv, and takes one for each send.
 */
import type { BackendTransport, BackendTransportHandlers, IpEndpoint } from "../core/backend.ts";
import { DcoError, invalid } from "../core/errors.ts";
import { formatIp, parseIp, unmapIpv4 } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";
import { errnoError } from "../ffi/errno.ts";
import type { FdWatcher, Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { boundTo, connectedTo, familyOf, SO_RCVLOWAT, SOL_SOCKET } from "../sockets/socket-address.ts";

const MSG_PEEK = 0x2;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const POLLRDHUP = 0x2000;
const EAGAIN = 11;

/** Bytes of the length in front of each packet. */
const PREFIX = 2;
/** The longest frame that the length can tell. */
const MAX_FRAME = PREFIX + 0xffff;

/** Of all transports: what is read is handed on as a copy before anything else is read. */
const buffer = Buffer.alloc(MAX_FRAME);

/** Frames read before the event loop gets a turn. */
const BATCH = 64;

/**
 * While the other side does not read, a send is tried again after 1 ms, then after ever longer times up to 50:
 * the kernel says writable while it is not, so waiting for that would keep a core busy.
 */
const RETRY_MAX_MS = 50;
const SEND_TIMEOUT_MS = 30_000;

/** See {@link BackendTransport}, and the module's comment. */
export class TcpTransport implements BackendTransport {
  readonly protocol = "tcp";
  readonly fd: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly family: 4 | 6;
  readonly dualStack = false;
  readonly #ffi: Ffi;
  readonly #posix: Posix;
  #handlers: BackendTransportHandlers | undefined;
  #watcher: FdWatcher | undefined;
  #attached = false;
  #ended = false;
  #lowWater = 1;
  /** The frame that is being sent; the next waits for it. */
  #sending: Promise<void> = Promise.resolve();
  /** A frame of which only a part has gone out. */
  #partial = false;
  #closing: Promise<void> | undefined;

  /** @param fd a connected socket, which becomes the transport's */
  constructor(ffi: Ffi, posix: Posix, fd: number) {
    this.#ffi = ffi;
    this.#posix = posix;
    this.fd = fd;
    this.family = familyOf(posix, fd);
    this.local = boundTo(posix, fd) as Endpoint;
    this.remote = unmapped(connectedTo(posix, fd) as Endpoint);
  }

  start(handlers: BackendTransportHandlers): void {
    this.#handlers = handlers;
    this.#watcher = this.#ffi.watchReadable(this.fd, () => this.#read(), {
      onError: (error) => this.#end(error),
    });
  }

  /**
   * Attaches a peer by `attach`, which must not be asynchronous, when no frame is half sent.
   *
   * From then on the socket is the kernel's.
   */
  async attach(attach: () => void): Promise<void> {
    while (this.#partial && !this.#ended) await this.#sending;
    if (this.#ended) throw new DcoError("socket", "the connection has ended", { effect: "none" });
    attach();
    this.#attached = true;
    if (this.#lowWater !== 1) this.#setLowWater(1);
  }

  send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    if (to !== undefined && (to.text !== this.remote.address || to.port !== this.remote.port)) {
      throw invalid("to", "a TCP transport has one other end");
    }
    const frame = Buffer.allocUnsafe(PREFIX + packet.length);
    frame.writeUInt16BE(packet.length, 0);
    frame.set(packet, PREFIX);
    const deadline = performance.now() + SEND_TIMEOUT_MS;
    const sent = this.#sending.then(() => this.#send(frame, deadline));
    this.#sending = sent.catch(() => {});
    return sent;
  }

  droppedKernel(): undefined {}

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended = true;
    this.#watcher?.close();
    await this.#posix.closeAsync(this.fd);
  }

  async #send(frame: Buffer, deadline: number): Promise<void> {
    let rest = frame;
    for (let wait = 1; ; wait = Math.min(2 * wait, RETRY_MAX_MS)) {
      if (this.#ended) throw new DcoError("closed", "the connection has ended", { effect: "unknown" });
      const sent = this.#posix.send(this.fd, rest, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent === rest.length) {
        this.#partial = false;
        return;
      }
      if (sent > 0) {
        // Only before the attach: a stream takes what it has room for.
        this.#partial = true;
        rest = rest.subarray(sent);
        wait = 1;
      } else if (sent !== -EAGAIN) {
        this.#partial = false;
        throw errnoError(-sent, "send", this.remote.address);
      } else if (performance.now() > deadline) {
        throw this.#stalled();
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /** After half a frame nothing else can be sent, so the transport is of no use any more. */
  #stalled(): DcoError {
    const problem = "the other side does not read";
    if (!this.#partial) return new DcoError("timeout", problem, { effect: "none" });
    const error = new DcoError("timeout", `${problem}, and has half a frame`, { effect: "unknown" });
    this.#end(error);
    return error;
  }

  #read(): void {
    for (let n = 0; n < BATCH && !this.#ended; n++) {
      if (!(this.#attached ? this.#readFrame() : this.#readStream())) return;
    }
  }

  /** With a peer: one recv, one frame. */
  #readFrame(): boolean {
    const size = this.#posix.recv(this.fd, buffer, MSG_DONTWAIT);
    if (size <= 0) return this.#noData(size);
    if (size > PREFIX) this.#deliver(size);
    return true;
  }

  /** Without a peer: takes a frame if it is complete. */
  #readStream(): boolean {
    const seen = this.#posix.recv(this.fd, buffer, MSG_PEEK | MSG_DONTWAIT);
    if (seen <= 0) return this.#noData(seen);
    const frame = seen < PREFIX ? PREFIX : PREFIX + buffer.readUInt16BE(0);
    if (frame === PREFIX && seen >= PREFIX) {
      this.#end(new DcoError("protocol", "the other side sent a frame without a packet"));
      return false;
    }
    if (seen < frame) {
      this.#setLowWater(frame);
      if ((this.#posix.poll(this.fd, POLLRDHUP) & POLLRDHUP) !== 0) {
        this.#end(new DcoError("protocol", "the connection ended within a frame"));
      }
      return false;
    }
    this.#posix.recv(this.fd, buffer.subarray(0, frame), MSG_DONTWAIT);
    if (this.#lowWater !== 1) this.#setLowWater(1);
    this.#deliver(frame);
    return true;
  }

  #deliver(frame: number): void {
    this.#handlers?.onPacket(Uint8Array.from(buffer.subarray(PREFIX, frame)), this.remote);
  }

  #noData(result: number): false {
    if (result === 0) this.#end(undefined);
    else if (result !== -EAGAIN) this.#end(errnoError(-result, "recv", this.remote.address));
    return false;
  }

  #setLowWater(bytes: number): void {
    this.#posix.setsockopt(this.fd, SOL_SOCKET, SO_RCVLOWAT, bytes);
    this.#lowWater = bytes;
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#watcher?.close();
    this.#handlers?.onEnd(error);
  }
}

function unmapped(endpoint: Endpoint): Endpoint {
  const bytes = parseIp(endpoint.address);
  return bytes === undefined ? endpoint : { ...endpoint, address: formatIp(unmapIpv4(bytes)) };
}
