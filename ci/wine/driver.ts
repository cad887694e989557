/** Builds the simulator driver and its installer with mingw, and installs it as some adapters. */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inRoot } from "../paths.ts";
import { compile, sources } from "./compiler.ts";
import type { WineSession } from "./session.ts";

/** Debian's folder of the kernel's headers, which stand apart. */
const KERNEL_HEADERS = "/usr/x86_64-w64-mingw32/include/ddk";

/** Adapters that are installed: ROOT\NET\0000 and so on. */
export const ADAPTERS = 5;

/** Seconds for what takes about two. */
const INSTALL_SECONDS = 60;

/** What a built driver depends on, as part of a name. */
function fingerprint(): string {
  const hash = createHash("sha256").update(readFileSync(fileURLToPath(import.meta.url)));
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(join(sources, name)));
  return hash.digest("hex").slice(0, 16);
}

/** Returns the folder with ovpn-dco.sys, ovpn-dco.inf and install.exe; built again when a source has changed. */
export function buildDriver(): string {
  const base = inRoot("build", "wine");
  const folder = join(base, `driver-${fingerprint()}`);
  if (existsSync(folder)) return folder;
  mkdirSync(base, { recursive: true });
  for (const old of globSync("driver-*", { cwd: base }))
    rmSync(join(base, old), { recursive: true, force: true });
  const partial = mkdtempSync(join(base, "driver-new-"));
  build(partial);
  renameSync(partial, folder);
  return folder;
}

function build(folder: string): void {
  // It uses Winsock's headers, which do not go with the kernel's.
  const wire = join(folder, "wire.o");
  compile(["-c", "-o", wire, "wire.c"]);
  const others = globSync("*.c", { cwd: sources }).filter(
    (name) => name !== "wire.c" && name !== "install.c",
  );
  compile([
    ...["-s", "-isystem", KERNEL_HEADERS, "-shared", "-nostdlib"],
    "-Wl,--subsystem,native,--entry,DriverEntry,--dynamicbase,--exclude-all-symbols",
    ...["-o", join(folder, "ovpn-dco.sys"), ...others, wire],
    ...["-lntoskrnl", "-lws2_32", "-lgcc"],
  ]);
  compile(["-s", "-municode", "-o", join(folder, "install.exe"), "install.c", "-lsetupapi", "-lnewdev"]);
  for (const inf of globSync("*.inf", { cwd: sources }))
    copyFileSync(join(sources, inf), join(folder, basename(inf)));
  // Wine does not look into it, but at it.
  writeFileSync(join(folder, "ovpn-dco.cat"), "");
}

/** Installs what {@link buildDriver} made. The adapters are there until the session ends. */
export async function installDriver(session: WineSession, folder: string): Promise<void> {
  const ready = join(session.folder, "ready");
  const inf = join(folder, "ovpn-dco.inf");
  await session.keep(join(folder, "install.exe"), [inf, String(ADAPTERS), ready], ready, INSTALL_SECONDS);
}
