/**
 * Namespaces of Linux for one run: Wine's sockets are this machine's, and a program of Windows outlives its killed server
 * now and then.
 */
import { spawn, spawnSync } from "node:child_process";

/** What `unshare` is told: a network of its own, and processes that end with the first of them. */
const NAMESPACES = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];
/** Other addresses can be reached as those of other networks can: nobody answers. */
const LOOPBACK_UP =
  'ip link set lo up && ip route add default dev lo && ip -6 route add default dev lo && exec "$@"';

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Root may, and who has the rights. */
export function canIsolate(): boolean {
  const shell = [...NAMESPACES, "sh", "-c", LOOPBACK_UP, "sh", "true"];
  return spawnSync("unshare", shell, { stdio: "ignore", timeout: 10_000 }).status === 0;
}

/** Runs this program once more, isolated, with an addition to its environment; returns its exit status. */
export function againIsolated(environment: Readonly<Record<string, string>>): Promise<number> {
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn("unshare", [...NAMESPACES, "sh", "-c", LOOPBACK_UP, "sh", ...again], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "inherit", "inherit"],
  });
  // Ends all of the namespace.
  const end = () => child.kill("SIGKILL");
  for (const signal of signals) process.on(signal, end);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      for (const signal of signals) process.off(signal, end);
      resolve(status ?? 1);
    });
  });
}
