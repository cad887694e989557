/**
 * A TCP connection that the kernel takes data packets from, and we the control packets.
 *
 * OpenVPN's frames on TCP are a length of two bytes and a packet. Until a peer is attached the socket is an
 * ordinary stream, of which nothing but whole frames may be read: the kernel goes on where we stop, and half a
 * frame in our hands would desynchronise it for good. So what has come is looked at (MSG_PEEK), and taken when
 * the frame is complete; SO_RCVLOWAT keeps the socket unreadable until then. With a peer the socket gives one
 * whole frame for each recv, and takes one for each send; with a module that leaves it a stream (streamed-socket.ts)
 * frames are cut here.
 *
 * What somebody else has read already of a socket that was taken over is `held`: a peer is attached when the frame
 * that it is the beginning of is complete.
 */
import type { BackendTransport, BackendTransportHandlers, IpEndpoint } from "../core/backend.ts";
import { DcoError, invalid } from "../core/errors.ts";
import { formatIp, parseIp, unmapIpv4 } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";
import { errnoError } from "../ffi/errno.ts";
import type { FdWatcher, Ffi } from "../ffi/index.ts";
import type { Posix } from "../ffi/posix.ts";
import { boundTo, connectedTo, SO_ERROR, SO_RCVLOWAT, SOL_SOCKET } from "../sockets/socket-address.ts";
import type { ModuleCodec } from "./codec.ts";
import { StreamedSocket } from "./streamed-socket.ts";

const MSG_PEEK = 0x2;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
const FIONREAD = 0x541b;
const POLLRDHUP = 0x2000;
const EIO = 5;
const EBADF = 9;
const EAGAIN = 11;
const EOPNOTSUPP = 95;

/** Bytes of the length in front of each packet. */
const PREFIX = 2;
/** Opcode and peer id. */
const MIN_PACKET = 4;
/** Data of another format than that of the modules. */
const DATA_V1 = 6;
/** The longest frame that the length can tell. */
export const MAX_FRAME = PREFIX + 0xffff;

/** Of all transports: what is read is handed on as a copy before anything else is read. */
const buffer = Buffer.alloc(MAX_FRAME);

/** Frames read before the event loop gets a turn. */
const BATCH = 64;

/**
 * While the other side does not read, a send is tried again after 1 ms, then after ever longer times up to this:
 * the kernel says writable while it is not, so waiting for that would keep a core busy.
 */
const RETRY_MAX_MS = 250;
const SEND_TIMEOUT_MS = 30_000;

/** How long an attach waits for the rest of a frame whose beginning was taken over. */
const REST_TIMEOUT_MS = 30_000;

/** How long, and how often, frames are waited for that came before the end. */
const LAST_FRAMES_MS = 1000;
const LAST_FRAMES_POLL_MS = 2;

/** How long, and how often, is looked whether the kernel has let go of a socket whose peer has ended. */
const RELEASE_MS = 2000;
const RELEASE_POLL_MS = 2;

const NOTHING = new Uint8Array(0);

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
  readonly #taken: boolean;
  /** Where the module leaves it a stream. */
  readonly #streamed: StreamedSocket | undefined;
  #handlers: BackendTransportHandlers | undefined;
  #watcher: FdWatcher | undefined;
  #attached = false;
  #ended = false;
  /** The beginning of a frame that is no longer in the socket. */
  #held: Uint8Array;
  /** Those who wait until nothing is held. */
  #wakes: (() => void)[] = [];
  #lowWater = 1;
  /** Bytes of the next frame that were there when it was last looked at. */
  #seen = 0;
  /** The other end's last byte has come. */
  #isLast = false;
  /** What the socket said before the last frames were read. */
  #failure: Error | undefined;
  /** The frame that is being sent; the next waits for it. */
  #sending: Promise<void> = Promise.resolve();
  /** A frame of which only a part has gone out. */
  #partial = false;
  #closing: Promise<void> | undefined;

  /**
   * @param fd a connected socket, which becomes the transport's
   * @param head bytes of the stream that were read from the socket before
   * @param taken it was the caller's, and stays his if it cannot be read
   * @param sockets what the module does with one that has a peer
   */
  constructor(
    ffi: Ffi,
    posix: Posix,
    fd: number,
    head: Uint8Array = NOTHING,
    taken = false,
    sockets: ModuleCodec["sockets"] = "framed",
  ) {
    this.#taken = taken;
    if (sockets === "streamed") this.#streamed = new StreamedSocket(posix, fd);
    this.#ffi = ffi;
    this.#posix = posix;
    this.fd = fd;
    this.local = unmapped(boundTo(posix, fd) as Endpoint);
    this.remote = unmapped(connectedTo(posix, fd) as Endpoint);
    this.family = parseIp(this.remote.address)?.length === 16 ? 6 : 4;
    this.#held = head;
  }

  /** Before `start`: bytes that come after those that were given before. */
  hold(bytes: Uint8Array): void {
    this.#held = Buffer.concat([this.#held, bytes]);
  }

  start(handlers: BackendTransportHandlers): void {
    this.#handlers = handlers;
    try {
      this.#watcher = this.#ffi.watchReadable(this.fd, () => this.#read(), {
        onError: (error) => this.#end(error),
      });
    } catch (error) {
      if (this.#taken) this.#closing = Promise.resolve();
      throw error;
    }
    this.#deliverHeld();
  }

  /**
   * Attaches a peer by `attach`, which must not be asynchronous, when no frame is half sent or half taken over.
   *
   * From then on the socket is the kernel's.
   */
  async attach(attach: () => void): Promise<void> {
    const deadline = performance.now() + REST_TIMEOUT_MS;
    while (!this.#ended && (this.#partial || this.#held.length > 0)) {
      if (this.#partial) await this.#sending;
      else await this.#restOfFrame(deadline - performance.now());
    }
    if (this.#ended) throw new DcoError("socket", "the connection has ended", { effect: "none" });
    attach();
    this.#attached = true;
    if (this.#lowWater !== 1) this.#setLowWater(1);
    this.#streamed?.lookAgain();
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
    this.#stop();
    try {
      // The caller may go on with his descriptor of a socket that he kept.
      if (this.#lowWater !== 1) this.#setLowWater(1);
    } catch {
      // It must not keep the socket from being closed.
    }
    await this.#released();
    await this.#posix.closeAsync(this.fd);
  }

  /**
   * Waits until the kernel has let go of the socket.
   *
   * It tells of a peer's end first and lets go of its socket after that; 6.16 crashes if the socket is closed in
   * between. While the socket is the kernel's it refuses flags that a plain one takes.
   */
  async #released(): Promise<void> {
    if (!this.#attached) return;
    const deadline = performance.now() + RELEASE_MS;
    while (this.#isHeldByKernel() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, RELEASE_POLL_MS));
    }
  }

  #isHeldByKernel(): boolean {
    if (this.#streamed) return this.#streamed.isHeld();
    const answer = this.#posix.send(this.fd, NOTHING, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE);
    return answer === -EOPNOTSUPP || answer === -EIO;
  }

  async #send(frame: Buffer, deadline: number): Promise<void> {
    let rest = frame;
    for (let wait = 1; ; wait = Math.min(2 * wait, RETRY_MAX_MS)) {
      if (this.#ended) throw new DcoError("closed", "the connection has ended", { effect: "unknown" });
      const sent = this.#hasRoom(rest.length)
        ? this.#posix.send(this.fd, rest, MSG_DONTWAIT | MSG_NOSIGNAL)
        : -EAGAIN;
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

  /** Where what is sent goes into the kernel's stream, a frame goes out whole or waits. */
  #hasRoom(bytes: number): boolean {
    return !this.#attached || this.#partial || !this.#streamed || this.#streamed.hasRoom(bytes);
  }

  /** After half a frame nothing else can be sent, so the transport is of no use any more. */
  #stalled(): DcoError {
    const problem = "the other side does not read";
    if (!this.#partial) return new DcoError("timeout", problem, { effect: "none" });
    const error = new DcoError("timeout", `${problem}, and has half a frame`, { effect: "unknown" });
    this.#stop();
    // Later, so that who sent it is told this, and not that the transport has closed.
    setImmediate(() => this.#handlers?.onEnd(error));
    return error;
  }

  #read(): void {
    for (let n = 0; n < BATCH && !this.#ended; n++) {
      if (!(this.#attached ? this.#readAttached() : this.#readStream())) return;
    }
  }

  #readAttached(): boolean {
    return this.#streamed ? this.#readCut(this.#streamed) : this.#readFrame();
  }

  /** With a peer, where the frames come as a stream: cuts it. */
  #readCut(socket: StreamedSocket): boolean {
    const held = this.#held.length;
    buffer.set(this.#held);
    const came = this.#posix.recv(this.fd, buffer.subarray(held), MSG_DONTWAIT);
    if (came === 0) {
      const errno = this.#posix.getsockoptInt(this.fd, SOL_SOCKET, SO_ERROR);
      if (errno !== 0) this.#failure ??= errnoError(errno, "recv", this.remote.address);
      void this.#readLast();
      return false;
    }
    if (came === -EAGAIN) {
      if (this.#failure) this.#end(this.#failure);
      return false;
    }
    if (came < 0) {
      this.#failure ??= errnoError(-came, "recv", this.remote.address);
      return true;
    }
    if (!socket.isHeld()) {
      // The kernel has ended the peer, which its event tells: this is a plain stream again.
      this.#watcher?.close();
      return false;
    }
    this.#setHeld(Uint8Array.from(buffer.subarray(0, held + came)));
    this.#deliverHeld();
    return !this.#ended;
  }

  /** With a peer: one recv, one frame. */
  #readFrame(): boolean {
    const size = this.#posix.recv(this.fd, buffer, MSG_DONTWAIT);
    if (size === 0) {
      void this.#readLast();
      return false;
    }
    if (size === -EAGAIN) {
      if (this.#failure) this.#end(this.#failure);
      return false;
    }
    if (size === -EBADF || (size > 0 && size !== frameAt(buffer, size))) {
      // The kernel has ended the peer, which its event tells: this is a plain stream again, and in the middle of it.
      this.#watcher?.close();
      return false;
    }
    // Frames that came before an error are there after it.
    if (size < 0) this.#failure ??= errnoError(-size, "recv", this.remote.address);
    else this.#deliver(buffer.subarray(PREFIX, size));
    return true;
  }

  /** After the other end's last byte: the kernel may still be cutting what came before it into frames. */
  async #readLast(): Promise<void> {
    if (this.#isLast) return;
    this.#isLast = true;
    this.#watcher?.close();
    const deadline = performance.now() + LAST_FRAMES_MS;
    for (;;) {
      const isCut = this.#uncut() === 0;
      while (!this.#ended && this.#readAttached());
      if (isCut || this.#ended || performance.now() > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, LAST_FRAMES_POLL_MS));
    }
    this.#end(this.#failure);
  }

  /** Bytes that the kernel has not yet cut into frames. */
  #uncut(): number {
    const bytes = Buffer.alloc(4);
    this.#posix.ioctl(this.fd, FIONREAD, bytes);
    return bytes.readInt32LE();
  }

  /** Without a peer: takes a frame if it is complete. */
  #readStream(isLast = false): boolean {
    const held = this.#held.length;
    buffer.set(this.#held);
    const came = this.#posix.recv(this.fd, buffer.subarray(held), MSG_PEEK | MSG_DONTWAIT);
    if (came === -EAGAIN) return false;
    if (came <= 0) {
      this.#endOfStream(came);
      return false;
    }
    const seen = held + came;
    const frame = frameAt(buffer, seen);
    if (frame === PREFIX && seen >= PREFIX) {
      this.#emptyFrame();
      return false;
    }
    if (seen < frame) {
      if (isLast) this.#endOfStream(-this.#posix.getsockoptInt(this.fd, SOL_SOCKET, SO_ERROR), true);
      // What comes may have come between the look and the end.
      else if ((this.#posix.poll(this.fd, POLLRDHUP) & POLLRDHUP) !== 0) return this.#readStream(true);
      else this.#await(frame, seen);
      return false;
    }
    this.#posix.recv(this.fd, buffer.subarray(held, frame), MSG_DONTWAIT);
    this.#seen = 0;
    if (this.#lowWater !== 1) this.#setLowWater(1);
    this.#deliver(buffer.subarray(PREFIX, frame));
    if (held > 0) this.#setHeld(NOTHING);
    return true;
  }

  /** Sees to it that the socket is readable when the frame is complete. */
  #await(frame: number, seen: number): void {
    const held = this.#held.length;
    if (seen === this.#seen && this.#lowWater !== 1) {
      // It is readable although nothing came: its buffer has no room for the frame, and must be emptied.
      this.#posix.recv(this.fd, buffer.subarray(held, seen), MSG_DONTWAIT);
      this.#setHeld(Uint8Array.from(buffer.subarray(0, seen)));
      this.#setLowWater(Math.max(1, frame - seen));
    } else if (this.#lowWater !== frame - held) {
      this.#setLowWater(frame - held);
    }
    this.#seen = seen;
  }

  /** Frames that were taken over whole. */
  #deliverHeld(): void {
    let rest = this.#held;
    while (!this.#ended && rest.length >= PREFIX && rest.length >= frameAt(rest, rest.length)) {
      const frame = frameAt(rest, rest.length);
      if (frame === PREFIX) this.#emptyFrame();
      else if (this.#attached && isNoControlPacket(rest, frame)) this.#noPacket();
      else this.#deliver(rest.subarray(PREFIX, frame));
      rest = rest.subarray(frame);
    }
    this.#setHeld(rest);
  }

  #setHeld(bytes: Uint8Array): void {
    this.#held = bytes;
    if (bytes.length === 0) this.#wake();
  }

  #restOfFrame(milliseconds: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const problem = "the rest of the frame whose beginning was taken over has not come";
        reject(new DcoError("timeout", problem, { effect: "none" }));
      }, milliseconds);
      this.#wakes.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    for (const wake of this.#wakes.splice(0)) wake();
  }

  #deliver(packet: Uint8Array): void {
    this.#handlers?.onPacket(Uint8Array.from(packet), this.remote);
  }

  #noPacket(): void {
    this.#end(new DcoError("protocol", "the other side sent what is no OpenVPN packet"));
  }

  #emptyFrame(): void {
    this.#end(new DcoError("protocol", "the other side sent a frame without a packet"));
  }

  /** @param result 0 or `-errno` */
  #endOfStream(result: number, withinFrame = this.#held.length > 0): void {
    if (result < 0) this.#end(errnoError(-result, "recv", this.remote.address));
    else this.#end(withinFrame ? new DcoError("protocol", "the connection ended within a frame") : undefined);
  }

  #setLowWater(bytes: number): void {
    this.#posix.setsockopt(this.fd, SOL_SOCKET, SO_RCVLOWAT, bytes);
    this.#lowWater = bytes;
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#stop();
    this.#handlers?.onEnd(error);
  }

  #stop(): void {
    this.#ended = true;
    this.#watcher?.close();
    this.#wake();
  }
}

/** The length of the frame that begins the bytes, of which `seen` are there; of its prefix, if that is all. */
function frameAt(bytes: Uint8Array, seen: number): number {
  return seen < PREFIX ? PREFIX : PREFIX + ((bytes[0] as number) << 8) + (bytes[1] as number);
}

/** What the in-tree module takes for an error of the stream, and `ovpn-dco-v2` hands on. */
function isNoControlPacket(bytes: Uint8Array, frame: number): boolean {
  return frame < PREFIX + MIN_PACKET || (bytes[PREFIX] as number) >> 3 === DATA_V1;
}

function unmapped(endpoint: Endpoint): Endpoint {
  const bytes = parseIp(endpoint.address);
  return bytes === undefined ? endpoint : { ...endpoint, address: formatIp(unmapIpv4(bytes)) };
}
