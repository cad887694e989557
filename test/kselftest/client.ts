/**
 * The stand-in as the program that the kernel's scripts start: a shell script that starts Node from a snapshot of the
 * bundled `ovpn-cli.ts`.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("ovpn-cli.ts", import.meta.url));
const BUNDLER = fileURLToPath(new URL("../cli/bundle.ts", import.meta.url));
const BUILD = fileURLToPath(new URL("../../build/", import.meta.url));

/** What is compiled and started for a process that soon ends is work for nothing: a fifth of a call under emulation. */
const QUICK = ["--jitless", "--single-threaded"];

/** koffi's addon where it is found at once: the files that look for it are half of what a call loads. */
function placeKoffi(folder: string): void {
  const place = join(folder, "node_modules", "koffi");
  mkdirSync(place, { recursive: true });
  const addon = createRequire(import.meta.url).resolve("@koromix/koffi-linux-x64/linux_x64/koffi.node");
  copyFileSync(addon, join(place, "koffi.node"));
  writeFileSync(join(place, "index.js"), 'module.exports = require("./koffi.node");\n');
}

/** Makes it; its path. It is gone when this process is. */
export function makeClient(): string {
  mkdirSync(BUILD, { recursive: true });
  const folder = mkdtempSync(join(BUILD, "kselftest-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const bundle = join(folder, "ovpn-cli.cjs");
  const snapshot = join(folder, "ovpn-cli.blob");
  execFileSync(process.execPath, ["--no-warnings", BUNDLER, SOURCE, bundle]);
  placeKoffi(folder);
  const blob = ["--snapshot-blob", snapshot];
  execFileSync(process.execPath, [...QUICK, "--no-warnings", ...blob, "--build-snapshot", bundle]);
  const client = join(folder, "ovpn-cli");
  const node = `'${process.execPath}' ${QUICK.join(" ")} --snapshot-blob '${snapshot}' '${client}' "$@"`;
  // What holds a socket goes into the background when it is ready, and says so through a pipe of its own.
  writeFileSync(
    client,
    `#!/bin/sh
case \${1:-} in
  listen | connect | new_peer | new_multi_peer) ;;
  *) exec ${node} ;;
esac
pipe=$(mktemp -u) && mkfifo "$pipe" || exit 1
${node} 3>"$pipe" &
status=
read -r status <"$pipe"
rm -f "$pipe"
exit "\${status:-1}"
`,
    { mode: 0o755 },
  );
  return client;
}
