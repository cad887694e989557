/**
 * One case on TUN devices of the userspace backend, at sites that are network namespaces.
 */
import { MOST_UNDER_WAY_HERE } from "../linux/ping.ts";
import { LinuxWorld } from "../linux/world.ts";
import type { PingOptions, Site } from "../world.ts";

/** See {@link LinuxWorld}. */
export class TunWorld extends LinuxWorld {
  protected override readonly mostUnderWay = MOST_UNDER_WAY_HERE;
  /** By another driver: devices that are none of this process's are none of the driver's either. */
  override async addInterface(site: Site, name: string): Promise<void> {
    await (await this.openDriver()).createInterface({ mode: "p2p", name, ...site.extras });
  }

  override ping(from: Site, to: string, options: PingOptions = {}) {
    return this.pingOneByOne(from, to, options);
  }

  /** At every site. */
  isUserspace(_site: Site): boolean {
    return true;
  }

  override flushWhileStanding = absent("interfaces that outlive their process");
  override startOwner = absent("interfaces that outlive their process");
}

/** What a case should not have asked for here. */
function absent(what: string): () => never {
  return () => {
    throw new Error(`TUN devices are no ${what}`);
  };
}
