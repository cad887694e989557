/**
 * Another process that owns an interface's peers.
 */
import type { ForeignOwner, Site, World } from "../world.ts";
import { Child } from "./child.ts";

/** Starts it, and waits until its peers are there. */
export async function startOwner(
  world: World,
  site: Site,
  name: string,
  peers: readonly number[],
): Promise<ForeignOwner> {
  const child = new Child(world, site, "owner", { name, address: site.ipv4, peers });
  await child.told("ready");
  return {
    async kill() {
      child.kill();
      await child.ended;
    },
  };
}
