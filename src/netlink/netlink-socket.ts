/**
 * Requests to a netlink family: one socket, used synchronously, or by another thread for slow requests.
 *
 * The kernel answers within `send`, so a request and its answer take one turn; spec and measurements are in
 * docs/linux.md.
 */
import type { Effect, NativeError } from "../core/errors.ts";
import { DcoError, withEffect } from "../core/errors.ts";
import { Pace } from "../core/pace.ts";
import type { WireTracer } from "../core/trace.ts";
import type { BackgroundSender } from "../ffi/background-sender.ts";
import { errnoError } from "../ffi/errno.ts";
import type { Posix } from "../ffi/posix.ts";
import { type Acknowledgement, decodeAcknowledgement, isAcknowledgement } from "./codec/acknowledgement.ts";
import { MessageBuilder } from "./codec/builder.ts";
import { NLM_F_ACK, NLMSG_ERROR } from "./codec/constants.ts";
import { describeDatagram } from "./codec/describe.ts";
import { attributePath } from "./codec/extack.ts";
import { isInterrupted, type NetlinkMessage, parseMessages } from "./codec/message.ts";
import { regionOf } from "./codec/region.ts";
import type { FamilyFormat } from "./formats.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const EAGAIN = 11;

/** A dump is answered in pieces of at most this many bytes when the buffer has room for them (af_netlink.c). */
const RECEIVE_BYTES = 32768;

/** Bytes that one `send` may have: bulk requests go out in slices below it. */
const SEND_BUFFER = 1 << 20;

/** Sequence numbers have 32 bits. */
const LAST_SEQUENCE = 0xffffffff;

/** Bytes of an acknowledgement that says "done": nlmsghdr, code 0, and the header of the request. */
const PLAIN_ACK = 36;

/** Where nlmsghdr has the message type. */
const MESSAGE_TYPE = 4;

/** Times that a dump is read again because it changed meanwhile. */
const DUMP_TRIES = 8;

/** Appends exactly one message with the given sequence number. */
export type Build = (builder: MessageBuilder, sequence: number) => void;

/** Turns a message of an answer into what is wanted of it; the message is valid only during the call. */
export type Decode<T> = (message: NetlinkMessage) => T | undefined;

/** Whose requests they are. */
export interface NetlinkUser {
  /** For the wire trace. */
  readonly backend: string;
  /** Said when the kernel refuses for want of a right. */
  readonly neededRight: string;
}

/** What has been read of an answer. */
class Answer<T> {
  readonly items: T[] = [];
  readonly decode: Decode<T> | undefined;
  /** It changed while it was read. */
  again = false;

  constructor(decode: Decode<T> | undefined) {
    this.decode = decode;
  }
}

/** A request socket; see the module's comment. One user at a time. */
export class NetlinkSocket {
  readonly fd: number;
  readonly #posix: Posix;
  readonly #user: NetlinkUser;
  readonly #tracer: WireTracer;
  readonly #background: BackgroundSender | undefined;
  readonly #builder = new MessageBuilder();
  readonly #buffer = Buffer.alloc(RECEIVE_BYTES);
  readonly #region = regionOf(this.#buffer);
  /** The same bytes as words of this machine, which is a little-endian one (see builder.ts). */
  readonly #words = new Uint32Array(this.#buffer.buffer, this.#buffer.byteOffset, RECEIVE_BYTES / 4);
  #sequence = 0;
  #closed = false;

  /**
   * Opens in the calling thread's network namespace.
   *
   * @param background for `requestAsync`; without it libuv's pool does that
   */
  constructor(
    posix: Posix,
    protocol: number,
    user: NetlinkUser,
    tracer: WireTracer,
    background?: BackgroundSender,
  ) {
    this.#posix = posix;
    this.#user = user;
    this.#background = background;
    this.#tracer = tracer;
    this.fd = posix.socket(AF_NETLINK, SOCK_RAW, protocol);
    try {
      posix.setsockopt(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
      posix.setsockopt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
      posix.setsockopt(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
      const address = Buffer.alloc(12);
      address.writeUInt16LE(AF_NETLINK, 0);
      posix.bind(this.fd, address);
      try {
        posix.setsockopt(this.fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER);
      } catch {
        // Without the privilege the default must do.
      }
    } catch (error) {
      posix.close(this.fd);
      throw error;
    }
  }

  /**
   * Makes one request and waits for its answer.
   *
   * @returns what `decode` made of the answer's messages, without those for which it gave undefined
   * @throws DcoError by errno, with the kernel's text and the attribute that it points at
   */
  request<T = never>(format: FamilyFormat, build: Build, decode?: Decode<T>): T[] {
    for (let tries = 0; tries < DUMP_TRIES; tries++) {
      const sequence = this.#build(build);
      try {
        this.#checkSent(this.#posix.send(this.fd, this.#begin(format), 0));
        const answer = this.#receive(format, sequence, decode);
        if (answer) return answer;
      } finally {
        this.#builder.wipe();
      }
    }
    throw interrupted();
  }

  /**
   * Makes several requests that are answered by an acknowledgement only, in one send: so few that
   * refusals of all of them fit the socket's buffer.
   *
   * @param build appends request number `n`
   * @returns for each undefined when it was done, or the error
   */
  requestMany(
    format: FamilyFormat,
    count: number,
    build: (builder: MessageBuilder, sequence: number, n: number) => void,
  ): (DcoError | undefined)[] {
    if (this.#closed) throw closed();
    if (this.#sequence + count > LAST_SEQUENCE) this.#sequence = 0;
    const first = this.#sequence + 1;
    this.#sequence += count;
    const errors = new Array<DcoError | undefined>(count).fill(undefined);
    let effect: Effect = "none";
    this.#builder.reset();
    try {
      for (let n = 0; n < count; n++) build(this.#builder, first + n, n);
      // A refusal is answered in any case, and the requests are worked off in their order.
      this.#builder.clearFlagsBeforeLast(NLM_F_ACK);
      this.#checkSent(this.#posix.send(this.fd, this.#begin(format), 0));
      effect = "unknown";
      this.#receiveMany(format, first, errors);
      return errors;
    } catch (error) {
      const failure = withEffect(error, effect);
      return errors.map((refusal) => refusal ?? failure);
    } finally {
      this.#builder.wipe();
    }
  }

  /** As `request`, for requests in which the kernel takes long: sends on another thread. */
  async requestAsync<T = never>(format: FamilyFormat, build: Build, decode?: Decode<T>): Promise<T[]> {
    for (let tries = 0; tries < DUMP_TRIES; tries++) {
      const sequence = this.#build(build);
      try {
        const bytes = this.#begin(format);
        const sent = this.#background?.send(this.fd, bytes) ?? this.#posix.sendAsync(this.fd, bytes, 0);
        this.#checkSent(await sent);
        const answer = this.#receive(format, sequence, decode);
        if (answer) return answer;
      } finally {
        this.#builder.wipe();
      }
    }
    throw interrupted();
  }

  /** As `request`, for answers so long that the event loop needs turns in between. One at a time. */
  async dump<T>(format: FamilyFormat, build: Build, decode: Decode<T>): Promise<T[]> {
    const pace = new Pace();
    for (let tries = 0; tries < DUMP_TRIES; tries++) {
      const sequence = this.#build(build);
      try {
        this.#checkSent(this.#posix.send(this.fd, this.#begin(format), 0));
        const answer = new Answer(decode);
        while (!this.#receivePart(format, sequence, answer)) {
          if (!pace.over) continue;
          await pace.turn();
          if (this.#closed) throw closed();
        }
        if (!answer.again) return answer.items;
      } finally {
        this.#builder.wipe();
      }
    }
    throw interrupted();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#builder.wipe();
    this.#posix.close(this.fd);
  }

  #build(build: Build): number {
    if (this.#closed) throw closed();
    this.#sequence = (this.#sequence + 1) >>> 0 || 1;
    this.#builder.reset();
    build(this.#builder, this.#sequence);
    return this.#sequence;
  }

  #begin(format: FamilyFormat): Buffer {
    const bytes = this.#builder.bytes();
    if (this.#tracer.wanted) this.#trace(format, "request", bytes);
    return bytes;
  }

  #checkSent(sent: number): void {
    if (sent < 0) throw errnoError(-sent, "send", "netlink socket");
  }

  /**
   * Makes one request that is answered by an acknowledgement only.
   *
   * @throws as `request`
   */
  command(format: FamilyFormat, build: Build): void {
    const sequence = this.#build(build);
    try {
      this.#checkSent(this.#posix.send(this.fd, this.#begin(format), 0));
      const size = this.#receiveSome(format);
      if (this.#isPlainAck(size, sequence)) return;
      // All else is told by the way of every answer.
      const answer = new Answer<never>(undefined);
      if (this.#read(size, format, sequence, answer)) return;
      while (!this.#receivePart(format, sequence, answer));
    } finally {
      this.#builder.wipe();
    }
  }

  /**
   * Makes one request that is answered by one message, and by an acknowledgement only if it is refused.
   *
   * @param isNone whether a refusal only says that there is no such thing: an error costs more than all else here
   * @returns what `decode` made of the message; undefined if there is none
   * @throws as `request`
   */
  get<T>(
    format: FamilyFormat,
    build: Build,
    decode: Decode<T>,
    isNone: (refusal: Acknowledgement) => boolean = () => false,
  ): T | undefined {
    const sequence = this.#build(build);
    try {
      this.#builder.clearFlagsOfLast(NLM_F_ACK);
      this.#checkSent(this.#posix.send(this.fd, this.#begin(format), 0));
      for (;;) {
        for (const message of parseMessages(this.#region, this.#receiveSome(format))) {
          // What is left of an earlier request that was given up.
          if (message.sequence !== sequence) continue;
          if (!isAcknowledgement(message)) return decode(message);
          const ack = decodeAcknowledgement(message);
          if (ack.errno !== 0 && !isNone(ack)) throw this.#refusal(format, ack);
          return undefined;
        }
      }
    } finally {
      this.#builder.wipe();
    }
  }

  /** Whether one message was received, and that is "done" for this request. Nearly every answer is that. */
  #isPlainAck(size: number, sequence: number): boolean {
    const words = this.#words;
    return (
      size === PLAIN_ACK &&
      words[0] === PLAIN_ACK &&
      ((words[1] as number) & 0xffff) === NLMSG_ERROR &&
      words[2] === sequence &&
      words[4] === 0
    );
  }

  /** Reads until the acknowledgement. Undefined if a dump changed meanwhile and must be read again. */
  #receive<T>(format: FamilyFormat, sequence: number, decode: Decode<T> | undefined): T[] | undefined {
    const answer = new Answer(decode);
    while (!this.#receivePart(format, sequence, answer));
    return answer.again ? undefined : answer.items;
  }

  /** Reads one datagram. True after the acknowledgement. */
  #receivePart<T>(format: FamilyFormat, sequence: number, answer: Answer<T>): boolean {
    return this.#read(this.#receiveSome(format), format, sequence, answer);
  }

  /** Reads what was received: so many bytes. */
  #read<T>(size: number, format: FamilyFormat, sequence: number, answer: Answer<T>): boolean {
    for (const message of parseMessages(this.#region, size)) {
      // What is left of an earlier request that was given up.
      if (message.sequence !== sequence) continue;
      answer.again ||= isInterrupted(message);
      if (!isAcknowledgement(message)) {
        const item = answer.decode?.(message);
        if (item !== undefined) answer.items.push(item);
        continue;
      }
      const ack = decodeAcknowledgement(message);
      if (ack.errno !== 0) throw this.#refusal(format, ack);
      return true;
    }
    return false;
  }

  /** Reads the refusals among many requests, until the last one is acknowledged. */
  #receiveMany(format: FamilyFormat, first: number, errors: (DcoError | undefined)[]): void {
    for (;;) {
      for (const message of parseMessages(this.#region, this.#receiveSome(format))) {
        const n = message.sequence - first;
        if (n < 0 || n >= errors.length || !isAcknowledgement(message)) continue;
        const ack = decodeAcknowledgement(message);
        if (ack.errno !== 0) errors[n] = this.#refusal(format, ack, n);
        if (n === errors.length - 1) return;
      }
    }
  }

  /** Receives into the buffer; @returns how many bytes. */
  #receiveSome(format: FamilyFormat): number {
    const size = this.#posix.recv(this.fd, this.#buffer, 0);
    if (size === -EAGAIN) {
      throw new DcoError("protocol", `${format.name}: the kernel did not answer`, { effect: "unknown" });
    }
    if (size < 0) throw errnoError(-size, "recv", "netlink socket");
    if (this.#tracer.wanted) this.#trace(format, "reply", this.#buffer.subarray(0, size));
    return size;
  }

  #refusal(format: FamilyFormat, ack: Acknowledgement, n = 0): DcoError {
    const request = this.#builder.message(n);
    const layout = format.kinds(request.readUInt16LE(MESSAGE_TYPE))?.layout;
    const attribute = layout && attributePath(request, ack.extack, layout);
    return kernelError(ack.errno, ack.extack.text, attribute, format.name, this.#user.neededRight);
  }

  #trace(format: FamilyFormat, direction: "request" | "reply", bytes: Uint8Array): void {
    for (const { hex, ...message } of describeDatagram(bytes, format.kinds)) {
      this.#tracer.write({ backend: this.#user.backend, direction, message, hex });
    }
  }
}

/** The error for a refusal by the kernel. */
function kernelError(
  errno: number,
  text: string | undefined,
  attribute: string | undefined,
  family: string,
  neededRight: string,
): DcoError {
  const plain = errnoError(errno, family, undefined);
  const native = plain.native as NativeError;
  const where = attribute === undefined ? "" : ` (${attribute})`;
  const right = plain.code === "permission" ? `; ${neededRight}` : "";
  const said = (text === undefined ? native.name : `${text} [${native.name}]`) + where + right;
  return new DcoError(plain.code, `the kernel refused: ${said}`, {
    native,
    effect: "none",
    ...((text !== undefined || attribute !== undefined) && {
      kernelMessage: { text: text ?? "", ...(attribute !== undefined && { attribute }) },
    }),
  });
}

function closed(): DcoError {
  return new DcoError("closed", "the netlink socket is closed", { effect: "none" });
}

function interrupted(): DcoError {
  return new DcoError("busy", "the kernel's list changed each time it was read");
}
