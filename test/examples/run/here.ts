/**
 * `openDriver` for the examples: where it is called says whose driver it opens, as on a host of its own.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { DcoDriver, DcoInterface } from "../../../src/core/contract.ts";
import type {
  AdoptInterfaceOptions,
  CreateInterfaceOptions,
  InterfaceConfig,
} from "../../../src/core/model.ts";
import { type OpenDriverOptions, openDriver as openReally } from "../../../src/open.ts";
import type { Site, World } from "../../conformance/world.ts";

const place = new AsyncLocalStorage<() => DcoDriver>();

/** Runs an example at a site: its `openDriver()` is that site's. */
export function at<T>(world: World, site: Site, body: () => Promise<T>): Promise<T> {
  return place.run(() => driverAt(world, site), body);
}

/** What the examples import. With other options than a signal it is the package's own. */
export async function openDriver(options: OpenDriverOptions = {}): Promise<DcoDriver> {
  const here = place.getStore();
  const { signal, ...others } = options;
  if (here === undefined || Object.keys(others).length > 0) return openReally(options);
  signal?.throwIfAborted();
  return here();
}

/** The world's driver, whose interfaces are at one site: in its namespace, or joined to its host. */
export function driverAt(world: World, site: Site): DcoDriver {
  const { driver } = world;
  const made: DcoInterface[] = [];
  const keep = (dco: DcoInterface) => {
    made.push(dco);
    return dco.capabilities.systemInterface ? dco : withHost(world, site, dco);
  };
  const close = async () => {
    for (const dco of made.splice(0)) await dco.close();
  };
  return {
    info: driver.info,
    capabilities: driver.capabilities,
    createInterface: async (options: CreateInterfaceOptions) =>
      keep(await world.createInterface(site, options)),
    adoptInterface: async (name: string, options?: AdoptInterfaceOptions) =>
      keep(await driver.adoptInterface(name, { ...options, ...site.extras })),
    listInterfaces: (options) => driver.listInterfaces({ ...options, ...site.extras }),
    deleteInterface: (name, options) => driver.deleteInterface(name, { ...options, ...site.extras }),
    cleanUp: (options) => driver.cleanUp({ ...options, ...site.extras }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** An interface that is a stream: the host at its end has the addresses. */
function withHost(world: World, site: Site, dco: DcoInterface): DcoInterface {
  return new Proxy(dco, {
    get(target, property) {
      if (property === "configure") return (config: InterfaceConfig) => world.configure(site, dco, config);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
