#!/usr/bin/env node
/**
 * The program `dco`.
 */
import { readFileSync } from "node:fs";
import { EXIT } from "./exit-codes.ts";
import { runProgram } from "./program.ts";

const stop = new AbortController();

/** The first asks the command to end; the second ends the process at once, as if nobody had caught it. */
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort());

let unwritten: NodeJS.ErrnoException | undefined;

/** Whoever reads has gone (`dco events | head`): that is the end, not a failure. A full disk is one. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") unwritten ??= error;
    stop.abort();
  });
}

function version(): string {
  const manifest = new URL("../../../package.json", import.meta.url);
  const source = new URL("../../package.json", import.meta.url);
  for (const url of [source, manifest]) {
    try {
      const found = JSON.parse(readFileSync(url, "utf8")) as { name?: string; version?: string };
      if (found.name === "dcokit" && found.version !== undefined) return found.version;
    } catch {
      // The other one, then.
    }
  }
  return "unknown";
}

// Waiting for events does not keep a process alive, and a command that waits for them is to go on.
const alive = setInterval(() => {}, 0x7fffffff);

const running = runProgram(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  terminal: process.stdout.isTTY === true,
  input: process.stdin,
  signal: stop.signal,
  version: version(),
});

running
  .finally(() => clearInterval(alive))
  .then(
    async (status) => {
      // An error of the last write comes later than the write.
      await new Promise((resolve) => setImmediate(resolve));
      if (unwritten !== undefined)
        process.stderr.write(`dco: the output cannot be written: ${unwritten.code}\n`);
      process.exitCode = unwritten === undefined ? status : EXIT.failed;
    },
    (error: unknown) => {
      process.stderr.write(`dco: ${String(error)}\n`);
      process.exitCode = EXIT.failed;
    },
  );
