/**
 * The stand-in as the program that the kernel's scripts start: a shell script around the bundled `ovpn-cli.ts`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("ovpn-cli.ts", import.meta.url));
const BUNDLER = fileURLToPath(new URL("../cli/bundle.ts", import.meta.url));
const BUILD = fileURLToPath(new URL("../../build/", import.meta.url));

/** Makes it; its path. It is gone when this process is. */
export function makeClient(): string {
  mkdirSync(BUILD, { recursive: true });
  const folder = mkdtempSync(join(BUILD, "kselftest-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const bundle = join(folder, "ovpn-cli.mjs");
  execFileSync(process.execPath, ["--no-warnings", BUNDLER, SOURCE, bundle]);
  const client = join(folder, "ovpn-cli");
  const node = `NODE_COMPILE_CACHE='${folder}/cache' '${process.execPath}' '${bundle}' "$@"`;
  // What holds a socket goes into the background when it is ready, and says so through a pipe of its own.
  writeFileSync(
    client,
    `#!/bin/sh
case \${1:-} in
  listen | connect | new_peer | new_multi_peer) ;;
  *) export NODE_COMPILE_CACHE='${folder}/cache'; exec '${process.execPath}' '${bundle}' "$@" ;;
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
