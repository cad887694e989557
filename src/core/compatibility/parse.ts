/**
 * The text of an OpenVPN configuration as a list of its options.
 *
 * Pure: included files come from a function of the caller's. The text may be hostile, so everything is bounded, and no
 * message repeats a line: it may hold a secret.
 */
import { isAbsolute, join } from "node:path";
import { DcoError, invalid } from "../errors.ts";
import { splitLine } from "./line.ts";
import type { ConfigDirective } from "./types.ts";

/** Bounds: a configuration beyond any of them is refused. */
export const CONFIG_LIMITS = {
  /** Characters of one file. */
  fileLength: 1 << 20,
  /** Bytes of a line outside of blocks, its newline and a byte order mark included; OpenVPN's own limit. */
  lineLength: 255,
  /** Files that include one another; OpenVPN's own limit. */
  depth: 10,
  /** All files together: two includes at each of ten levels would be a thousand. */
  files: 64,
  /** Options in all files together. */
  directives: 20_000,
} as const;

/** How {@link parseConfig} reads. */
export interface ParseConfigOptions {
  /** How the text is called in findings and messages. Default: no name. */
  readonly file?: string;
  /**
   * Gives the text of a file that an option `config` names. Without it such an option is `invalid`.
   *
   * @param name as the option has it
   * @param directory where the options `cd` before it lead to, if there are any
   */
  readonly include?: (name: string, directory: string | undefined) => { file: string; text: string };
}

/**
 * Reads the text of an OpenVPN configuration.
 *
 * Errors: `invalid` with the field `FILE:LINE` for what OpenVPN refuses as well (quotes that are not closed, a block
 * without its end, files that include themselves), and for what goes beyond {@link CONFIG_LIMITS}.
 */
export function parseConfig(text: string, options: ParseConfigOptions = {}): ConfigDirective[] {
  if (typeof text !== "string") throw invalid("text", "must be a string");
  const reader = new Reader(options.include);
  reader.read(text, options.file, 1);
  return reader.directives;
}

class Reader {
  readonly directives: ConfigDirective[] = [];
  readonly #include: ParseConfigOptions["include"];
  #files = 0;
  #directory: string | undefined;

  constructor(include: ParseConfigOptions["include"]) {
    this.#include = include;
  }

  read(text: string, file: string | undefined, depth: number): void {
    const place = (line: number) => `${file === undefined ? "line " : `${printable(file)}:`}${line}`;
    if (text.length > CONFIG_LIMITS.fileLength) {
      throw invalid(place(1), `the file is longer than ${CONFIG_LIMITS.fileLength} characters`);
    }
    if (++this.#files > CONFIG_LIMITS.files) {
      throw invalid(place(1), `more than ${CONFIG_LIMITS.files} files are included`);
    }
    for (const directive of readLines(text, file, place)) {
      if (this.directives.length >= CONFIG_LIMITS.directives) {
        throw invalid(place(directive.line ?? 1), `more than ${CONFIG_LIMITS.directives} options`);
      }
      this.directives.push(directive);
      const [argument] = directive.args;
      if (argument === undefined) continue;
      if (directive.name === "cd") this.#directory = within(this.#directory, argument);
      if (directive.name === "config") this.#readIncluded(argument, place(directive.line ?? 1), depth);
    }
  }

  #readIncluded(name: string, place: string, depth: number): void {
    if (this.#include === undefined) throw invalid(place, "another file is included, and none can be read");
    if (depth >= CONFIG_LIMITS.depth) {
      throw invalid(place, `files include one another more than ${CONFIG_LIMITS.depth} deep`);
    }
    const { file, text } = this.#at(place, () => this.#include?.(name, this.#directory));
    this.read(text, file, depth + 1);
  }

  #at<T>(place: string, read: () => T | undefined): T {
    try {
      return read() as T;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const code = DcoError.is(error) ? error.code : "system";
      throw new DcoError(code, `${place}: ${message}`, { field: place, cause: error });
    }
  }
}

/** The options of one text, blocks taken together, included files not followed. */
function* readLines(
  text: string,
  file: string | undefined,
  place: (line: number) => string,
  first = 1,
): Generator<ConfigDirective> {
  const lines = text.split("\n");
  const last = lines.length - (lines.at(-1) === "" ? 1 : 0);
  for (let index = 0; index < last; index++) {
    const line = first + index;
    const source = `${lines[index]}${index + 1 < lines.length ? "\n" : ""}`;
    if (source.includes("\0")) throw invalid(place(line), "there is a zero byte: this is no text file");
    if (Buffer.byteLength(source) > CONFIG_LIMITS.lineLength) {
      throw invalid(place(line), `the line is longer than ${CONFIG_LIMITS.lineLength} bytes`);
    }
    const split = splitLine(line === 1 ? source.replace(/^\uFEFF/, "") : source);
    if ("problem" in split) throw invalid(place(line), split.problem);
    const [word, ...args] = withoutPrefixes(split.words);
    if (word === undefined) continue;
    const where = { ...(file === undefined ? {} : { file }), line };
    const tag = split.words.length === 1 ? /^<(.*)>$/s.exec(word)?.[1] : undefined;
    if (tag === undefined) {
      yield { name: word, args, ...where };
      continue;
    }
    const end = findEnd(lines, index + 1, last, tag);
    if (end === undefined) throw invalid(place(line), `the block <${printable(tag)}> has no end`);
    const content = lines.slice(index + 1, end).join("\n");
    yield tag === "connection"
      ? { name: tag, args, inline: true, block: [...readLines(content, file, place, line + 1)], ...where }
      : { name: tag, args, inline: true, ...where };
    index = end;
  }
}

/** `--name` is `name`; `setenv opt name` is `name` as well, only that OpenVPN may not know it. */
function withoutPrefixes(words: readonly string[]): readonly string[] {
  const [name = "", ...rest] = words;
  if (words.length === 0) return words;
  if (name === "setenv" && rest[0] === "opt" && rest.length > 1) return rest.slice(1);
  return [/^--./s.test(name) ? name.slice(2) : name, ...rest];
}

/** Where one `cd` after another leads to. */
const within = (directory: string | undefined, next: string): string =>
  directory === undefined || isAbsolute(next) ? next : join(directory, next);

/** OpenVPN looks only at the beginning of a line. */
function findEnd(lines: readonly string[], from: number, to: number, tag: string): number | undefined {
  for (let index = from; index < to; index++) {
    if (lines[index]?.trimStart().startsWith(`</${tag}>`)) return index;
  }
  return undefined;
}

/** A name of a stranger's in a message: short, and without what moves a terminal's cursor. */
export function printable(text: string): string {
  const cut = text.length > 120 ? `${text.slice(0, 117)}...` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return cut.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "?");
}
