/**
 * The adapters of the driver: list, find, make, remove.
 */
import type { ConfigureRequest, IpPrefix } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import type { OwnerMarker } from "../core/model.ts";
import { Configuration } from "./configure.ts";
import type { CardState } from "./ip-rows.ts";
import type { WindowsAdapter } from "./ovpn-interface.ts";
import { ownMark, readMark } from "./owner.ts";
import type { IpHelper } from "./win32/iphelper.ts";
import type { Registry } from "./win32/registry.ts";
import type { FoundDevice, SetupApi } from "./win32/setupapi.ts";
import type { WindowsSystem } from "./win32/system.ts";

/** What the driver's package calls its devices; OpenVPN 3 takes the second as well. */
const HARDWARE_IDS = ["ovpn-dco", "root\\ovpn-dco"];

/** Where connections have their names. */
const NETWORK_KEY = "SYSTEM\\CurrentControlSet\\Control\\Network\\{4D36E972-E325-11CE-BFC1-08002BE10318}";

/** IfType 53, propVirtual, in the upper 16 bits of a LUID. */
const IF_TYPE_PROP_VIRTUAL = 53n;

/** How long a new adapter may take to get its network card and the driver's interface. */
const BIRTH_TRIES = 100;
const BIRTH_WAIT_MS = 100;

/** The path of the driver's own interface of a device; the system's others do not speak its protocol. */
export function isDriverPath(path: string): boolean {
  return /\\ovpn-dco$/i.test(path);
}

/** One adapter. */
export interface Adapter {
  /** The connection's name; the device's instance where the system has made no network card of it. */
  readonly name: string;
  /** Such as `ROOT\NET\0002`. */
  readonly instance: string;
  /** What CreateFile opens. */
  readonly path: string;
  /** Of the network card, in braces. */
  readonly guid: string | undefined;
  readonly luid: bigint | undefined;
  /** The interface index; 0 where there is no network card. */
  readonly index: number;
  readonly card: CardState | undefined;
  readonly owner: OwnerMarker | undefined;
}

/** What the adapters are reached by. */
export interface AdapterCalls {
  readonly setup: SetupApi;
  readonly registry: Registry;
  readonly ip: IpHelper;
  readonly system: WindowsSystem;
  readonly isDriverPath: (path: string) => boolean;
}

/** See the module's comment. */
export class Adapters {
  readonly #calls: AdapterCalls;

  constructor(calls: AdapterCalls) {
    this.#calls = calls;
  }

  /** All that are started, in the system's order. */
  list(): Adapter[] {
    const { setup, isDriverPath } = this.#calls;
    const isOurs = ({ hardwareIds }: FoundDevice) =>
      hardwareIds.some((id) => HARDWARE_IDS.includes(id.toLowerCase()));
    return setup
      .find(isDriverPath)
      .filter(isOurs)
      .map((device) => this.#describe(device));
  }

  /** The adapter of this name, GUID or instance; upper and lower case are the same to Windows. */
  find(name: string): Adapter | undefined {
    const wanted = name.toLowerCase();
    return this.list().find(({ name, guid, instance }) =>
      [name, guid, instance].some((each) => each?.toLowerCase() === wanted),
    );
  }

  /** Errors: `not-found`. */
  require(name: string): Adapter {
    const adapter = this.find(name);
    if (adapter) return adapter;
    throw new DcoError("not-found", `there is no started adapter ${name} of ovpn-dco`, { effect: "none" });
  }

  /** Makes one, with our mark, and waits until it is there. Errors: `permission`, `timeout`. */
  async create(): Promise<Adapter> {
    const { setup, system } = this.#calls;
    const instance = await setup.create(HARDWARE_IDS[0] as string, ownMark(system));
    for (let tries = 1; ; tries++) {
      const adapter = this.find(instance);
      if (adapter?.luid !== undefined) return adapter;
      if (tries === BIRTH_TRIES) break;
      await new Promise((resolve) => setTimeout(resolve, BIRTH_WAIT_MS));
    }
    await setup.remove(instance).catch(() => {});
    throw new DcoError("timeout", `the new adapter ${instance} does not start; see setupapi.dev.log`);
  }

  /** Errors: `not-found`, `permission`. */
  remove({ instance }: Adapter): Promise<void> {
    return this.#calls.setup.remove(instance);
  }

  /** The adapter as a network link. */
  link(adapter: Adapter): LinkedAdapter {
    return new LinkedAdapter(this.#calls, adapter, () => this.remove(adapter));
  }

  #describe(device: FoundDevice): Adapter {
    const { ip, system } = this.#calls;
    const { instance, path, guid, luidIndex } = device;
    const luid =
      luidIndex === undefined ? undefined : (IF_TYPE_PROP_VIRTUAL << 48n) | (BigInt(luidIndex) << 24n);
    const name = (guid && this.#connectionName(guid)) ?? instance;
    const index = (luid !== undefined && ip.indexOf(luid)) || 0;
    const card = luid === undefined ? undefined : ip.card(luid);
    return { name, instance, path, guid, luid, index, card, owner: readMark(system, device.mark) };
  }

  #connectionName(guid: string): string | undefined {
    const { registry } = this.#calls;
    const key = registry.open(`${NETWORK_KEY}\\${guid}\\Connection`);
    if (key === undefined) return undefined;
    try {
      return registry.readText(key, "Name");
    } finally {
      registry.close(key);
    }
  }
}

/** See {@link WindowsAdapter}. */
export class LinkedAdapter implements WindowsAdapter {
  readonly #calls: AdapterCalls;
  readonly #adapter: Adapter;
  readonly #remove: () => Promise<void>;
  readonly #configuration: Configuration | undefined;

  constructor(calls: AdapterCalls, adapter: Adapter, remove: () => Promise<void>) {
    this.#calls = calls;
    this.#adapter = adapter;
    this.#remove = remove;
    const { luid } = adapter;
    this.#configuration = luid === undefined ? undefined : new Configuration(calls.ip, luid);
  }

  /** Errors: `system` where there is no network card. */
  get configuration(): Configuration {
    if (this.#configuration) return this.#configuration;
    throw new DcoError("system", `adapter ${this.#adapter.name} has no network card`, { effect: "none" });
  }

  configure(request: ConfigureRequest, signal: AbortSignal | undefined): Promise<void> {
    const { mtu, addresses, routes, bypass } = request;
    if (mtu === undefined && !addresses && !routes && !bypass) return Promise.resolve();
    return this.configuration.apply(request, signal);
  }

  isLinkUp(): boolean | undefined {
    const { luid } = this.#adapter;
    return luid === undefined ? undefined : this.#calls.ip.card(luid)?.linkUp;
  }

  isPresent(): boolean {
    return this.#calls.setup.isPresent(this.#adapter.path);
  }

  setPeerRoutes(peer: number, routes: readonly IpPrefix[]): void {
    if (routes.length > 0 || this.#configuration) this.configuration.setPeerRoutes(peer, routes);
  }

  close(): void {
    this.#configuration?.close();
  }

  remove(): Promise<void> {
    return this.#remove();
  }
}
