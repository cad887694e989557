/**
 * Requests to `ovpn-dco-win` on one device handle.
 */
import type { IpEndpoint } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { throwIfAborted } from "../core/lifetime.ts";
import type { InterfaceMode } from "../core/model.ts";
import type { WireTracer } from "../core/trace.ts";
import type { Device, DeviceOpener, Outcome, Pending } from "./device.ts";
import { ioctlCode } from "./ioctl.ts";
import {
  type Command,
  decodePacket,
  decodeReply,
  encodePacket,
  encodeRequest,
  neededBytes,
  type Packet,
  READ_BYTES,
  REPLY_BYTES,
  type Reply,
  type Requests,
  secretRange,
} from "./messages.ts";
import { ERROR_MORE_DATA, type Operation, refusal } from "./ovpn-errors.ts";
import { win32Of } from "./status.ts";

/** How often the statistics are asked for again, because there are more peers by then. */
const MOST_TRIES = 20;

/** Statistics of all peers that there can be. */
const MOST_REPLY_BYTES = 1 << 30;

/** What an interface asks of its adapter. Failures are a `DcoError` with the native code. */
export interface WindowsExchange {
  /** An abort cancels the request (CancelIoEx); what the driver had begun is the caller's to undo. */
  ioctl<C extends Command>(command: C, input: Requests[C], signal?: AbortSignal): Promise<Reply<C>>;
  /** One pended ReadFile. */
  read(): Promise<Packet>;
  /** @param to where to, which in p2p mode the driver knows @param family that of the transport's socket */
  write(data: Uint8Array, to: IpEndpoint, family: 4 | 6): Promise<void>;
  /** Cancels what is pending, closes the handle and opens it again: the only way out of a multi-peer socket. */
  reset(): Promise<void>;
  /** Cancels what is pending and closes the handle, by a deadline. Errors: `timeout`, as those of a device. */
  close(): Promise<void>;
}

/** See {@link WindowsExchange}. */
export class OvpnExchange implements WindowsExchange {
  readonly #opener: DeviceOpener;
  readonly #path: string;
  readonly #mode: InterfaceMode;
  readonly #tracer: WireTracer;
  #device: Device;
  #isClosed = false;
  #name: string;
  /** For the statistics of peers, which grow with their number. */
  #statsBytes = REPLY_BYTES.GET_PEER_STATS as number;

  /** Opens the adapter, for nobody else at that time. @param name for the trace */
  constructor(
    opener: DeviceOpener,
    path: string,
    {
      mode,
      tracer,
      name,
    }: { readonly mode: InterfaceMode; readonly tracer: WireTracer; readonly name: string },
  ) {
    this.#opener = opener;
    this.#path = path;
    this.#mode = mode;
    this.#tracer = tracer;
    this.#name = name;
    this.#device = opener.open(path, "exclusive");
  }

  async ioctl<C extends Command>(command: C, input: Requests[C], signal?: AbortSignal): Promise<Reply<C>> {
    throwIfAborted(signal);
    for (let tries = 1; ; tries++) {
      const room = command === "GET_PEER_STATS" ? this.#statsBytes : (REPLY_BYTES[command] ?? 0);
      const { failure, bytes } = await this.#send(command, input, room, signal);
      if (failure === undefined) {
        const reply = decodeReply(command, bytes);
        this.#trace(command === "NOTIFY_EVENT" ? "event" : "reply", command, reply, bytes);
        return reply;
      }
      const more = command === "GET_PEER_STATS" && win32Of(failure) === ERROR_MORE_DATA;
      if (!more || tries === MOST_TRIES) throw refusal(command, failure);
      // Some may come before the next question.
      const wanted = 2 * Math.max(neededBytes(bytes), this.#statsBytes);
      this.#statsBytes = Math.min(wanted, MOST_REPLY_BYTES);
    }
  }

  async read(): Promise<Packet> {
    const { failure, bytes } = await this.#device.read(READ_BYTES).outcome;
    if (failure) throw refusal("READ", failure);
    const packet = decodePacket(bytes, this.#mode);
    this.#trace("event", "READ", packet.address, bytes);
    return packet;
  }

  async write(data: Uint8Array, to: IpEndpoint, family: 4 | 6): Promise<void> {
    const bytes = encodePacket(data, this.#mode === "p2p" ? undefined : to, family);
    this.#trace("request", "WRITE", { bytes: data.length }, bytes);
    const { failure } = await this.#device.write(bytes).outcome;
    if (failure) throw refusal("WRITE", failure);
  }

  async reset(): Promise<void> {
    await this.#device.close();
    // Closed for good meanwhile: nobody would close another handle.
    if (!this.#isClosed) this.#device = this.#opener.open(this.#path, "exclusive");
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.#device.close();
  }

  async #send<C extends Command>(
    command: C,
    input: Requests[C],
    room: number,
    signal: AbortSignal | undefined,
  ): Promise<Outcome> {
    const bytes = encodeRequest(command, input);
    let pending: Pending;
    try {
      this.#trace("request", command, input, bytes, secretRange(command));
      const ref = command !== "NOTIFY_EVENT";
      pending = this.#device.ioctl(ioctlCode(command), bytes, room, { ref });
    } finally {
      bytes.fill(0);
    }
    const cancel = () => pending.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      const outcome = await pending.outcome;
      if (signal?.aborted && outcome.failure) {
        const cause = refusal(command, outcome.failure);
        throw new DcoError("aborted", `${command} was aborted`, { effect: "unknown", cause });
      }
      return outcome;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  #trace(
    direction: "request" | "reply" | "event",
    command: Operation,
    content: unknown,
    bytes: Buffer,
    secret?: readonly [offset: number, length: number],
  ): void {
    if (!this.#tracer.wanted) return;
    const message = {
      interface: this.#name,
      command,
      content: plain(secret ? withoutKeys(content) : content),
    };
    this.#tracer.write({ backend: "windows", direction, message, hex: redactedHex(bytes, secret) });
  }
}

/** Bytes as hex, since they would be written as objects. */
function plain(content: unknown): unknown {
  if (content instanceof Uint8Array) return Buffer.from(content).toString("hex");
  if (Array.isArray(content)) return content.map(plain);
  if (typeof content !== "object" || content === null) return content;
  return Object.fromEntries(Object.entries(content).map(([name, value]) => [name, plain(value)]));
}

/** The key of a NEW_KEY as the trace has it. */
function withoutKeys(content: unknown): unknown {
  const { peer, key } = content as Requests["NEW_KEY"];
  const { slot, id, cipher, encryptKey, decryptKey } = key;
  const bytes = { encrypt: encryptKey.length, decrypt: decryptKey.length };
  return { peer, slot, id, cipher, keyBytes: bytes };
}

function redactedHex(bytes: Buffer, secret: readonly [number, number] | undefined): string {
  if (secret === undefined) return bytes.toString("hex");
  const [offset, length] = secret;
  const before = bytes.toString("hex", 0, offset);
  return before + "**".repeat(length) + bytes.toString("hex", offset + length);
}
