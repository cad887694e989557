/**
 * Keys come from files that only their owner can read, or from standard input. Never from the command line, which
 * everybody on the machine can see.
 *
 * The content is JSON, bytes in base64 or hex:
 *   { "encrypt": { "key": "...", "nonceTail": "..." }, "decrypt": { "key": "...", "nonceTail": "..." } }
 * or what both ends derive their keys from:
 *   { "ekm": "...", "role": "client" }
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { addAbortSignal, type Readable } from "node:stream";
import { DcoError, invalid } from "../core/errors.ts";
import { deriveDataKeys } from "../core/key-derivation.ts";
import type { CipherName, KeyDirection } from "../core/model.ts";
import { readChoice, readFields, readString } from "../core/validate/shape.ts";

/** Far more than a key needs. */
const LIMIT = 64 * 1024;

/** Both directions of a key. */
export interface KeyPair {
  readonly encrypt: KeyDirection;
  readonly decrypt: KeyDirection;
}

/**
 * Reads a key.
 *
 * @param source a file's name; `-`: standard input
 */
export async function readKey(
  source: string,
  cipher: CipherName,
  input: NodeJS.ReadableStream,
  signal: AbortSignal,
): Promise<KeyPair> {
  const bytes = source === "-" ? await readStream(input, signal) : readPrivate(source);
  try {
    return parseKey(bytes, cipher);
  } finally {
    bytes.fill(0);
  }
}

function parseKey(bytes: Buffer, cipher: CipherName): KeyPair {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    // The parser's own message repeats a piece of the text.
    throw invalid("key", "is not JSON; see dco key install --help");
  }
  const { ekm, role, encrypt, decrypt } = readFields(value, ["ekm", "role", "encrypt", "decrypt"], "key");
  if (ekm === undefined)
    return { encrypt: direction(encrypt, "key.encrypt"), decrypt: direction(decrypt, "key.decrypt") };
  const side = readChoice(role, "key.role", ["client", "server"]);
  return deriveDataKeys({ source: "tls-ekm", ekm: decode(ekm, "key.ekm") }, side, cipher);
}

function direction(value: unknown, path: string): KeyDirection {
  const { key, nonceTail } = readFields(value, ["key", "nonceTail"], path);
  return { key: decode(key, `${path}.key`), nonceTail: decode(nonceTail, `${path}.nonceTail`) };
}

function decode(value: unknown, path: string): Uint8Array {
  const text = readString(value, path);
  if (/^([0-9a-f]{2})+$/i.test(text)) return Uint8Array.from(Buffer.from(text, "hex"));
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw invalid(path, "must be base64 or hex");
  return Uint8Array.from(Buffer.from(text, "base64"));
}

/** A file that somebody else could read, or could have written, holds no key. */
function readPrivate(path: string): Buffer {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new DcoError("not-found", `there is no key file ${path}`);
    throw new DcoError(
      code === "EACCES" ? "permission" : "system",
      `the key file ${path} cannot be opened: ${code}`,
    );
  }
  try {
    const stat = fstatSync(descriptor);
    const { mode, uid, size } = stat;
    const own = process.getuid?.();
    if (!stat.isFile()) throw invalid("--key-file", "is not a regular file");
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new DcoError(
        "permission",
        `the key file ${path} can be read or written by others (mode ${(mode & 0o777).toString(8)}): chmod 600 it`,
      );
    }
    if (own !== undefined && uid !== own && uid !== 0) {
      throw new DcoError("permission", `the key file ${path} belongs to somebody else`);
    }
    if (size > LIMIT) throw invalid("--key-file", `is longer than ${LIMIT} bytes`);
    const bytes = Buffer.alloc(size);
    readSync(descriptor, bytes, 0, size, 0);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

async function readStream(input: NodeJS.ReadableStream, signal: AbortSignal): Promise<Buffer> {
  // Who waits for somebody to type can be interrupted.
  addAbortSignal(signal, input as Readable);
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of input) {
    const bytes = Buffer.from(piece as Uint8Array);
    pieces.push(bytes);
    length += bytes.length;
    if (length > LIMIT) throw invalid("key", `is longer than ${LIMIT} bytes`);
  }
  const whole = Buffer.concat(pieces);
  for (const piece of pieces) piece.fill(0);
  return whole;
}
