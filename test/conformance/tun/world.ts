/**
 * One case on TUN devices of the userspace backend, at sites that are network namespaces.
 */
import type { DcoInterface } from "../../../src/core/contract.ts";
import type { InterfaceConfig } from "../../../src/core/model.ts";
import { eventually } from "../expect.ts";
import { MOST_UNDER_WAY_HERE } from "../linux/ping.ts";
import { ip } from "../linux/raw.ts";
import { LinuxWorld } from "../linux/world.ts";
import type { PingOptions, Site } from "../world.ts";

/** See {@link LinuxWorld}. */
export class TunWorld extends LinuxWorld {
  protected override readonly mostUnderWay = MOST_UNDER_WAY_HERE;
  /** By another driver: devices that are none of this process's are none of the driver's either. */
  override async addInterface(site: Site, name: string): Promise<void> {
    await (await this.openDriver()).createInterface({ mode: "p2p", name, ...site.extras });
  }

  /** Waits for what the kernel does later than it answers, and not at once while other namespaces change. */
  override async configure(site: Site, dco: DcoInterface, config: InterfaceConfig): Promise<void> {
    await super.configure(site, dco, config);
    const wanted = (config.addresses ?? []).flatMap((prefix) =>
      prefix.includes(":") ? prefix.split("/")[0] : [],
    );
    await eventually(
      "IPv6 addresses in use",
      () => ip(site, "-6", "route", "show", "table", "local", "dev", dco.name),
      (routes) => wanted.every((address) => routes.includes(`local ${address} `)),
    );
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
