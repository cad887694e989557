/** Builds the simulator driver and its installer with mingw, and installs it as some adapters. */
import { copyFileSync, globSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { compile, sources } from "./compiler.ts";
import type { WineSession } from "./session.ts";

/** Debian's folder of the kernel's headers, which stand apart. */
const KERNEL_HEADERS = "/usr/x86_64-w64-mingw32/include/ddk";

/** Adapters that are installed: ROOT\NET\0000 and so on. */
export const ADAPTERS = 5;

/** Seconds for what takes about two. */
const INSTALL_SECONDS = 60;

/** Builds into the folder: ovpn-dco.sys, ovpn-dco.inf, install.exe. */
export function buildDriver(folder: string): void {
  mkdirSync(folder, { recursive: true });
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
  const ready = join(folder, "ready");
  const inf = join(folder, "ovpn-dco.inf");
  await session.keep(join(folder, "install.exe"), [inf, String(ADAPTERS), ready], ready, INSTALL_SECONDS);
}
