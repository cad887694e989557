/**
 * Configuration files of OpenVPN, with the files that they include.
 */
import { isUtf8 } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DcoError, invalid } from "../errors.ts";
import { CONFIG_LIMITS, parseConfig, printable } from "./parse.ts";
import type { ConfigDirective } from "./types.ts";

/** How {@link readConfig} reads. */
export interface ReadConfigOptions {
  /**
   * The folder that names of included files start at, until an option `cd` says otherwise: OpenVPN takes the one that it
   * is started in. Default: the folder of the file.
   */
  readonly directory?: string;
}

/**
 * Reads a configuration file and what it includes. Only regular files of at most 1 MiB are opened.
 *
 * Errors: as `parseConfig`; `not-found`, `permission` or `system` for a file that cannot be read.
 */
export function readConfig(path: string, options: ReadConfigOptions = {}): ConfigDirective[] {
  if (typeof path !== "string" || path === "") throw invalid("path", "must be the name of a file");
  const base = options.directory ?? dirname(path);
  return parseConfig(readBounded(path), {
    file: path,
    include: (name, directory) => {
      const file = resolve(base, directory ?? "", name);
      return { file, text: readBounded(file) };
    },
  });
}

/** The text of a regular file; a device or a pipe would never end, or wait for somebody. */
function readBounded(path: string): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw invalid(printable(path), "is not a regular file");
    if (stat.size > CONFIG_LIMITS.fileLength) {
      throw invalid(printable(path), `is longer than ${CONFIG_LIMITS.fileLength} bytes`);
    }
    const bytes = readAll(descriptor, stat.size);
    // OpenVPN looks at bytes only. In older files a comment may be in Latin-1.
    return bytes.toString(isUtf8(bytes) ? "utf8" : "latin1");
  } catch (error) {
    throw fileError(error, path);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** No more than there was when it was looked at: it may grow meanwhile. */
function readAll(descriptor: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let length = 0;
  while (length < size) {
    const read = readSync(descriptor, bytes, length, size - length, null);
    if (read === 0) break;
    length += read;
  }
  return bytes.subarray(0, length);
}

function fileError(error: unknown, path: string): DcoError {
  if (DcoError.is(error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  const name = printable(path);
  if (code === "ENOENT" || code === "ENOTDIR") return new DcoError("not-found", `there is no file ${name}`);
  if (code === "EACCES" || code === "EPERM") return new DcoError("permission", `${name} may not be read`);
  return new DcoError("system", `${name} cannot be read: ${code ?? "unknown error"}`, { cause: error });
}
