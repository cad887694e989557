/** The simulator's installer, from ci/wine: adds and removes adapters while tests run. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";

const TIMEOUT_MS = 60_000;

/** Whether there is one. */
export const HAS_INSTALLER = process.env["DCOKIT_INSTALLER"] !== undefined;

/** @param instance such as `ROOT\NET\0001` */
export function removeAdapter(instance: string): Promise<void> {
  return install("remove", instance);
}

/** @param number from 0 */
export function addAdapter(number: number): Promise<void> {
  return install("add", join(dirname(program()), "ovpn-dco.inf"), String(number));
}

function program(): string {
  const path = process.env["DCOKIT_INSTALLER"];
  if (path === undefined) throw new Error("there is no installer: DCOKIT_INSTALLER");
  return path;
}

/**
 * Waits for the program's end and not, as execFile does, for that of its output: under Wine a pipe is now and then kept
 * open long after the program that wrote to it has ended with status 0 (80 s were seen), by whom is not known.
 */
async function install(...words: string[]): Promise<void> {
  const child = spawn(program(), words, { stdio: "ignore", timeout: TIMEOUT_MS });
  const [status, signal] = await once(child, "exit");
  if (status !== 0)
    throw new Error(`the installer ended with ${signal ?? `status ${status}`}: ${words.join(" ")}`);
}
