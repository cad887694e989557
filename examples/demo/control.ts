/**
 * A stand-in for OpenVPN's control channel.
 *
 * The real one runs TLS over these packets, proves who the peers are, and takes the keys of the data channel
 * from the TLS session. Here both ends know a secret from the start, and nothing is proved or encrypted: it
 * shows which packets an embedder sends and receives, and NOT how to make them safe.
 */
import { hkdfSync } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type CipherName, deriveDataKeys, type Transport } from "../../src/index.ts";

/** OpenVPN's opcodes that the demo uses. */
export const OPCODE = { softReset: 3, ack: 5, hardResetClient: 7, hardResetServer: 8 } as const;

/** A control packet: OpenVPN's header (opcode, key id, session id), then JSON instead of TLS. */
export interface Message {
  readonly opcode: number;
  readonly keyId: number;
  /** The sender's session: 8 bytes in hex. */
  readonly session: string;
  readonly body?: unknown;
}

/** What the client says in its first packet. */
export interface Hello {
  readonly name: string;
  readonly cipher: CipherName;
}

/** The server's answer, which OpenVPN sends as PUSH_REPLY. */
export interface Welcome {
  readonly peerId: number;
  readonly ipv4: string;
  readonly ipv6: string;
}

const HEADER_BYTES = 9;

/** How often a question is repeated, and how long: UDP may lose it. */
const REPEAT_MS = 500;
const PATIENCE_MS = 20_000;

export function encodeMessage({ opcode, keyId, session, body }: Message): Uint8Array {
  const header = Buffer.from([(opcode << 3) | keyId]);
  return Buffer.concat([header, Buffer.from(session, "hex"), Buffer.from(JSON.stringify(body ?? null))]);
}

/** Undefined for what is no message of ours: anybody can send to a UDP port. */
export function decodeMessage(data: Uint8Array): Message | undefined {
  const bytes = Buffer.from(data);
  const first = bytes[0];
  if (first === undefined || bytes.length < HEADER_BYTES) return undefined;
  try {
    const body = JSON.parse(bytes.toString("utf8", HEADER_BYTES));
    return { opcode: first >> 3, keyId: first & 7, session: bytes.toString("hex", 1, HEADER_BYTES), body };
  } catch {
    return undefined;
  }
}

/** Sends until the answer with this opcode is there. */
export async function ask(
  transport: Transport,
  message: Message,
  opcode: number,
  signal: AbortSignal,
): Promise<Message> {
  const answered = new AbortController();
  const repeat = async () => {
    for (let waited = 0; waited < PATIENCE_MS; waited += REPEAT_MS) {
      await transport.send(encodeMessage(message));
      await delay(REPEAT_MS, undefined, { signal: answered.signal });
    }
    throw new Error(`the server has not answered within ${PATIENCE_MS / 1000} s`);
  };
  const listen = async () => {
    for await (const { data } of transport.packets({ signal: AbortSignal.any([signal, answered.signal]) })) {
      const answer = decodeMessage(data);
      if (answer?.opcode === opcode && answer.keyId === message.keyId) return answer;
    }
    signal.throwIfAborted();
    throw new Error("the transport ended before the server answered");
  };
  const repeating = repeat();
  const listening = listen();
  try {
    return await Promise.race([listening, repeating as Promise<never>]);
  } finally {
    answered.abort();
    await Promise.allSettled([repeating, listening]);
  }
}

/** Both ends of a session, and the secret that stands for its TLS. */
export interface SharedSession {
  readonly secret: Uint8Array;
  readonly client: string;
  readonly server: string;
  readonly cipher: CipherName;
}

/**
 * The keys of both directions for a key id. With TLS the 256 bytes would be exported keying material of the
 * session; each key id belongs to a TLS session of its own, so the bytes are different each time.
 */
export function sessionKeys(session: SharedSession, keyId: number, role: "client" | "server") {
  const { secret, client, server, cipher } = session;
  const ekm = new Uint8Array(hkdfSync("sha256", secret, `${client}${server}`, `demo key ${keyId}`, 256));
  const keys = deriveDataKeys({ source: "tls-ekm", ekm }, role, cipher);
  ekm.fill(0);
  return { cipher, ...keys, wipe: true };
}

/** A session id that nobody else has. */
export function newSession(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex");
}
