/**
 * A client all of whose traffic goes through the tunnel. (For "../src/index.ts" read "dcokit".)
 *
 * The snippet is that of docs/guide/full-tunnel.md; a unit test keeps the two the same, and a behaviour case runs it.
 */
import type { DcoInterface } from "../src/index.ts";

// docs-begin recipe
/** @param servers every address of the VPN server that the transport may use */
export async function enterFullTunnel(dco: DcoInterface, servers: readonly string[]): Promise<void> {
  await dco.configure({
    bypass: servers, // host routes the way that they are reached now
    // Two halves are more specific than any default route, which stays as it is.
    routes: ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"],
  });
}

/** The same by metric, where the default route of the host has a greater one than this. */
export async function enterByMetric(
  dco: DcoInterface,
  servers: readonly string[],
  metric: number,
): Promise<void> {
  const routes = ["0.0.0.0/0", "::/0"].map((destination) => ({ destination, metric }));
  await dco.configure({ bypass: servers, routes });
}

/** Closing the interface does it as well. */
export async function leaveFullTunnel(dco: DcoInterface): Promise<void> {
  await dco.configure({ routes: [], bypass: [] });
}
// docs-end
