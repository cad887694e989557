/**
 * TLS on a control channel: what an OpenVPN program does before it hands the data to the kernel.
 */
import { once } from "node:events";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import { DATA_KEYS_BYTES, DATA_KEYS_LABEL, deriveDataKeys } from "../../src/core/key-derivation.ts";
import type { KeyOptions } from "../../src/core/model.ts";

/** A secret that both ends know, so that no certificates are needed. */
const SECRET = Buffer.alloc(32, "dcokit");
const CIPHERS = "PSK+AESGCM:TLS_AES_128_GCM_SHA256";

/** What stands before the TLS bytes in a packet: an opcode (P_CONTROL_V1), and three bytes to be long enough. */
const HEADER = Buffer.from([4 << 3, 0, 0, 0]);

/** Bytes of TLS in one packet. */
const PACKET_BYTES = 1200;

/** A stream of bytes in control packets, as TLS wants it. The packets must come in order, as over TCP. */
export class PacketStream extends Duplex {
  #out: ((packet: Uint8Array) => Promise<void>) | undefined;
  /** The packet on its way. */
  #sending: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};

  /** @param out sends a packet */
  constructor(out: (packet: Uint8Array) => Promise<void>) {
    super();
    this.#out = out;
  }

  /** Takes a packet that has come. */
  receive(packet: Uint8Array): void {
    this.push(Buffer.from(packet.subarray(HEADER.length)));
  }

  /** Sends no more; resolves when the packet that was begun is sent. The others wait for `goOn`. */
  hold(): Promise<void> {
    this.#out = undefined;
    return this.#sending;
  }

  goOn(out: (packet: Uint8Array) => Promise<void>): void {
    this.#out = out;
    this.#wake();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _: string, done: (error?: Error) => void): void {
    this.#send(chunk).then(() => done(), done);
  }

  async #send(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += PACKET_BYTES) {
      while (!this.#out) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      this.#sending = this.#out(Buffer.concat([HEADER, chunk.subarray(at, at + PACKET_BYTES)]));
      await this.#sending;
    }
  }
}

/** One end of a TLS connection. */
export interface TlsEnd {
  readonly socket: TLSSocket;
  /** Resolves when the handshake is done. */
  readonly ready: Promise<unknown>;
}

/** The server's end. */
export function tlsServer(below: Duplex): TlsEnd {
  const socket = new TLSSocket(
    below as Socket,
    {
      isServer: true,
      ciphers: CIPHERS,
      secureContext: createSecureContext({ ciphers: CIPHERS }),
      pskCallback: () => SECRET,
    } as never,
  );
  return { socket, ready: once(socket, "secure") };
}

/** The client's end. */
export function tlsClient(below: Duplex): TlsEnd {
  const socket = connect({
    socket: below,
    ciphers: CIPHERS,
    pskCallback: () => ({ psk: SECRET, identity: "client" }),
    checkServerIdentity: () => undefined,
  });
  return { socket, ready: once(socket, "secureConnect") };
}

/** The key that both ends derive from their TLS, as OpenVPN does with `key-derivation tls-ekm`. */
export function dataKeyOf(socket: TLSSocket, role: "server" | "client"): KeyOptions {
  const ekm = socket.exportKeyingMaterial(DATA_KEYS_BYTES, DATA_KEYS_LABEL, undefined as never);
  const cipher = "aes-256-gcm";
  return { slot: "primary", id: 0, cipher, ...deriveDataKeys({ source: "tls-ekm", ekm }, role, cipher) };
}
