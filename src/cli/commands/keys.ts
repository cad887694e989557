/**
 * `dco keys`, `dco key ...`
 */
import { randomBytes } from "node:crypto";
import { closeSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { printable } from "../../core/compatibility/parse.ts";
import { DcoError } from "../../core/errors.ts";
import { CIPHER_KEY_BYTES, CIPHERS, type KeyInfo, MAX_KEY_ID, NONCE_TAIL_BYTES } from "../../core/model.ts";
import { readNumber, readPeerId, readSlot, readWord } from "../arguments.ts";
import type { Command } from "../command.ts";
import { EXIT, UsageError } from "../exit-codes.ts";
import { openOwned, openWatched } from "../interfaces.ts";
import { readKey } from "../key-file.ts";
import type { Column } from "../output.ts";
import { INTERFACE } from "./interfaces.ts";
import { PEER } from "./peers.ts";

const SLOT = { name: "SLOT", help: "primary or secondary", choices: ["primary", "secondary"] } as const;
const CIPHER = {
  type: "string",
  value: "CIPHER",
  choices: CIPHERS,
  help: "aes-256-gcm if left out",
} as const;
const DEFAULT_CIPHER = "aes-256-gcm";

const COLUMNS: readonly Column<KeyInfo>[] = [
  { title: "slot", value: ({ slot }) => slot },
  { title: "id", value: ({ id }) => id, right: true },
  { title: "cipher", value: ({ cipher }) => cipher },
];

const list: Command = {
  words: ["keys"],
  summary: "what the key slots of a peer hold; never the keys",
  positionals: [INTERFACE, PEER],
  options: {},
  examples: ["dco keys tun0 7"],
  async run(context) {
    const id = readPeerId(context.args[1]);
    const dco = await openWatched(context, context.args[0]);
    context.output.table(await dco.keys(id, { signal: context.signal }), COLUMNS, "no keys");
    return EXIT.ok;
  },
};

const install: Command = {
  words: ["key", "install"],
  summary: "put a key into a slot",
  details: [
    "The key is read from a file that only its owner can read (mode 600), or from standard input (-), as JSON:",
    '  {"encrypt": {"key": K, "nonceTail": N}, "decrypt": {"key": K, "nonceTail": N}}   bytes in base64 or hex, or',
    '  {"ekm": E, "role": "client"}   256 bytes of exported keying material that both ends have',
    "A key must never be installed twice: its packet counter would start again. Who has used one uses another.",
  ],
  positionals: [INTERFACE, PEER],
  options: {
    "key-file": { type: "string", value: "FILE", file: true, help: "where the key is; - for standard input" },
    slot: { type: "string", value: "SLOT", choices: SLOT.choices, help: "primary (default) or secondary" },
    id: { type: "string", value: "NUMBER", help: "key id in the packets, 0 (default) to 7" },
    cipher: CIPHER,
  },
  examples: [
    "dco key install tun0 7 --key-file server.key",
    "dco key install tun0 7 --slot secondary --id 1 --key-file - < server2.key",
  ],
  async run(context) {
    const { args, values, signal, input } = context;
    const source = values.text("key-file");
    if (source === undefined) throw new UsageError("--key-file is missing; - reads standard input");
    const peer = readPeerId(args[1]);
    const cipher = readWord(values.text("cipher") ?? DEFAULT_CIPHER, "--cipher", CIPHERS);
    const slot = readSlot(values.text("slot") ?? "primary", "--slot");
    const id = readNumber(values.text("id") ?? "0", "--id", 0, MAX_KEY_ID);
    const key = await readKey(source, cipher, input, signal);
    const dco = await openOwned(context, args[0]);
    await dco.installKey(peer, { slot, id, cipher, ...key, wipe: true }, { signal });
    return EXIT.ok;
  },
};

const swap: Command = {
  words: ["key", "swap"],
  summary: "exchange the primary and the secondary key",
  positionals: [INTERFACE, PEER],
  options: {},
  examples: ["dco key swap tun0 7"],
  async run(context) {
    const id = readPeerId(context.args[1]);
    const dco = await openOwned(context, context.args[0]);
    await dco.swapKeys(id, { signal: context.signal });
    return EXIT.ok;
  },
};

const remove: Command = {
  words: ["key", "delete"],
  summary: "empty a slot",
  positionals: [INTERFACE, PEER, SLOT],
  options: {},
  examples: ["dco key delete tun0 7 secondary"],
  async run(context) {
    const id = readPeerId(context.args[1]);
    const slot = readSlot(context.args[2], "SLOT");
    const dco = await openOwned(context, context.args[0]);
    await dco.deleteKey(id, slot, { signal: context.signal });
    return EXIT.ok;
  },
};

const generate: Command = {
  words: ["key", "generate"],
  summary: "write a fresh key for two ends into two new files of mode 600",
  details: [
    "For tests, and for a control channel of your own. Each file is for one end; each pair is for one use.",
  ],
  positionals: [
    { name: "FILE", help: "for one end", kind: "file" },
    { name: "OTHER", help: "for the other end", kind: "file" },
  ],
  options: { cipher: CIPHER },
  examples: ["dco key generate server.key client.key"],
  async run({ args, values, output }) {
    const cipher = readWord(values.text("cipher") ?? DEFAULT_CIPHER, "--cipher", CIPHERS);
    const direction = () => ({
      key: randomBytes(CIPHER_KEY_BYTES[cipher]).toString("base64"),
      nonceTail: randomBytes(NONCE_TAIL_BYTES).toString("base64"),
    });
    const [one, other] = [direction(), direction()];
    const [first = "", second = ""] = args;
    write(first, { encrypt: one, decrypt: other });
    try {
      write(second, { encrypt: other, decrypt: one });
    } catch (error) {
      // One end of a key is of no use, and a key that lies about is one too many.
      unlinkSync(first);
      throw error;
    }
    output.value({ cipher, files: args });
    return EXIT.ok;
  },
};

/** A file that is there may be another's, or one that others can read. */
function write(path: string, key: unknown): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "wx", 0o600);
    writeFileSync(descriptor, `${JSON.stringify(key)}\n`);
  } catch (error) {
    if (descriptor !== undefined) unlinkSync(path);
    throw writeError(error, printable(path));
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function writeError(error: unknown, path: string): DcoError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EEXIST") return new DcoError("exists", `${path} is there already`);
  if (code === "ENOENT" || code === "ENOTDIR") return new DcoError("not-found", `${path} is in no folder`);
  const kind = code === "EACCES" || code === "EPERM" || code === "EROFS" ? "permission" : "system";
  return new DcoError(kind, `${path} cannot be written: ${code}`);
}

export const KEY_COMMANDS: readonly Command[] = [list, install, swap, remove, generate];
