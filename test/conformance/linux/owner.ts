/**
 * Another process that owns an interface's peers.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ForeignOwner } from "../world.ts";

/** What the process is told; see children/owner.ts. */
export interface OwnerOrder {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly peers: readonly number[];
}

/** Starts it, and waits until its peers are there. */
export async function startOwner(order: OwnerOrder): Promise<ForeignOwner> {
  const script = fileURLToPath(new URL("../children/owner.ts", import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const first = await Promise.race([once(child.stdout, "data"), ended]);
  if (String(first[0]) !== "ready\n") throw new Error(`the other owner ended with ${first}`);
  return {
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
