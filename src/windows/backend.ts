/**
 * The Windows backend: adapters of `ovpn-dco-win`.
 */
import { release } from "node:os";
import type {
  AdoptInterfaceRequest,
  BackendDriver,
  BackendInterface,
  BackendRules,
  CreateInterfaceRequest,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError, invalid } from "../core/errors.ts";
import type { DriverInfo, InterfaceInfo, InterfaceMode } from "../core/model.ts";
import type { WireTracer } from "../core/trace.ts";
import type { Adapter, Adapters } from "./adapters.ts";
import { windowsCapabilities } from "./capabilities.ts";
import type { DeviceOpener } from "./device.ts";
import { OvpnExchange } from "./exchange.ts";
import { createExtras } from "./extras.ts";
import { ioctlCode } from "./ioctl.ts";
import { type DriverVersion, decodeReply, REPLY_BYTES } from "./messages.ts";
import { MultipeerInterface } from "./multipeer-interface.ts";
import { ERROR_ACCESS_DENIED, ERROR_INVALID_FUNCTION, isWin32, refusal } from "./ovpn-errors.ts";
import { P2pInterface } from "./p2p-interface.ts";
import { win32Of } from "./status.ts";
import type { IpHelper } from "./win32/iphelper.ts";
import type { WindowsSystem } from "./win32/system.ts";

const MODULE = "ovpn-dco-win";

/** Tells the driver's version to everybody, while an adapter is started. */
const VERSION_DEVICE = "\\\\.\\ovpn-dco-ver";

/** What a connection's name cannot hold. */
const BAD_NAME = /[\\/:*?"<>|\t]/;

/** How an adapter's instance is written, which names it as well. */
const INSTANCE = /^ROOT\\[^\\]+\\\d+$/i;

/** Windows' limit of a connection's name. */
const NAME_LENGTH = 256;

/** What is the platform's own in arguments. */
export const WINDOWS_RULES: BackendRules = {
  interfaceNameProblem(name) {
    if (name.trim() === "" || name.length > NAME_LENGTH) return "is not a name that Windows takes";
    return BAD_NAME.test(name) && !INSTANCE.test(name) ? "is not a name that Windows takes" : undefined;
  },
  extras: {
    createInterface: {
      createAdapter: (value) => (typeof value === "boolean" ? undefined : "must be true or false"),
    },
  },
};

/** What the backend reaches the system by. */
export interface WindowsParts {
  readonly opener: DeviceOpener;
  readonly adapters: Adapters;
  readonly ip: IpHelper;
  readonly system: WindowsSystem;
  readonly tracer: WireTracer;
}

/** See {@link BackendDriver}. */
export class WindowsBackend implements BackendDriver {
  readonly info: DriverInfo;
  readonly capabilities: Capabilities;
  readonly rules = WINDOWS_RULES;
  readonly #parts: WindowsParts;
  readonly #chacha20: boolean;
  readonly #elevated: boolean;

  private constructor(parts: WindowsParts, version: DriverVersion, reason: string) {
    this.#parts = parts;
    this.#chacha20 = parts.system.hasChaCha20();
    this.#elevated = parts.system.isElevated();
    this.info = {
      backend: "windows",
      module: MODULE,
      version: versionText(version),
      kernel: release(),
      reason,
    };
    this.capabilities = this.#capabilities(version, undefined);
  }

  /** Errors: `unavailable` (no adapter, or a driver before 1.0), `busy` (no adapter tells the version). */
  static async open(parts: WindowsParts): Promise<WindowsBackend> {
    const adapters = parts.adapters.list();
    if (adapters.length === 0) {
      const remedy =
        "OpenVPN's installer brings both (feature Drivers.OvpnDco); tapctl create makes an adapter";
      throw new DcoError("unavailable", `there is no started adapter of ${MODULE}; ${remedy}`);
    }
    const [version, where] = await readVersion(parts.opener, adapters);
    return new WindowsBackend(parts, version, `${where} answers for ${MODULE} ${versionText(version)}`);
  }

  async createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    const { adapters } = this.#parts;
    const { name, mode, onExisting, extras } = request;
    const make = extras["createAdapter"] as boolean | undefined;
    if (name === undefined) {
      const free = make === true ? undefined : await this.#openFree(mode);
      if (free) return free;
      if (make !== false && this.#elevated) return this.#create(mode);
      const how = this.#elevated ? "createAdapter: true makes one" : "an elevated process can make one";
      throw new DcoError("busy", `all adapters of ${MODULE} are in use; ${how}`, { effect: "none" });
    }
    const adapter = adapters.find(name);
    if (adapter === undefined) {
      if (make === false) adapters.require(name);
      throw invalid("name", `no adapter is called ${name}, and Windows names new ones itself: leave it out`, {
        effect: "none",
      });
    }
    if (onExisting === "fail") {
      const problem = `there is an adapter ${name} already; onExisting: "adopt" opens it`;
      throw new DcoError("exists", problem, { effect: "none" });
    }
    if (onExisting === "adopt") return this.#open(adapter, mode, false);
    await adapters.remove(adapter);
    return this.#create(mode);
  }

  async adoptInterface({ name, mode }: AdoptInterfaceRequest): Promise<BackendInterface> {
    const adapter = this.#parts.adapters.require(name);
    if (mode === undefined) {
      throw invalid("mode", "is missing; an adapter has none until it is opened", { effect: "none" });
    }
    return this.#open(adapter, mode, false);
  }

  async listInterfaces(): Promise<InterfaceInfo[]> {
    return this.#parts.adapters.list().map(({ name, index, card, owner }) => ({
      name,
      index,
      mode: undefined,
      mtu: card?.mtu ?? this.capabilities.mtu.default,
      up: card?.up ?? true,
      linkUp: card?.linkUp ?? false,
      owner,
    }));
  }

  async deleteInterface(name: string, _extras: unknown, index?: number): Promise<void> {
    const adapter = this.#parts.adapters.require(name);
    if (index !== undefined && (adapter.index !== index || adapter.owner?.alive)) {
      throw new DcoError("not-found", `adapter ${name} is another by now`, { effect: "none" });
    }
    await this.#parts.adapters.remove(adapter);
  }

  async close(): Promise<void> {}

  async #create(mode: InterfaceMode): Promise<BackendInterface> {
    const adapter = await this.#parts.adapters.create();
    try {
      return await this.#open(adapter, mode, true);
    } catch (error) {
      await this.#parts.adapters.remove(adapter).catch(() => {});
      throw error;
    }
  }

  /** The first that nobody has open, other than what somebody made for himself; undefined where all are. */
  async #openFree(mode: InterfaceMode): Promise<BackendInterface | undefined> {
    for (const adapter of this.#parts.adapters.list()) {
      if (adapter.owner?.alive) continue;
      try {
        return await this.#open(adapter, mode, false);
      } catch (error) {
        // It may have gone meanwhile. A refusal that may be for want of a right is not "all are in use".
        if (!DcoError.is(error) || (error.code !== "busy" && error.code !== "not-found")) throw error;
      }
    }
    return undefined;
  }

  /** What the driver does with a fresh handle: the mode is chosen before anything else. */
  async #open(adapter: Adapter, mode: InterfaceMode, created: boolean): Promise<BackendInterface> {
    const { opener, adapters, tracer, ip } = this.#parts;
    const { name, index, path } = adapter;
    let exchange: OvpnExchange;
    try {
      exchange = new OvpnExchange(opener, path, { mode, tracer, name });
    } catch (error) {
      throw this.#openRefusal(error, name);
    }
    try {
      // Its driver may have been replaced since this one's version was asked.
      const version = await exchange.ioctl("GET_VERSION", undefined);
      const capabilities = this.#capabilities(version, mode);
      if (!capabilities.modes.includes(mode)) {
        const problem = `${MODULE} ${versionText(version)} has no ${mode} mode`;
        throw new DcoError("unsupported", `${problem} (capability: modes)`, {
          capability: "modes",
          effect: "none",
        });
      }
      if (mode === "multipeer") await exchange.ioctl("SET_MODE", { mode });
      const link = adapters.link(adapter);
      const extras = createExtras(adapter, link, ip, version);
      const parts = { name, index, created, capabilities, version, exchange, adapter: link, extras };
      return mode === "p2p" ? new P2pInterface(parts) : new MultipeerInterface(parts);
    } catch (error) {
      await exchange.close().catch(() => {});
      throw this.#openRefusal(error, name);
    }
  }

  /** Who may open an adapter and is refused has come second. */
  #openRefusal(error: unknown, name: string): unknown {
    if (!isWin32(error, ERROR_ACCESS_DENIED) || !DcoError.is(error)) return error;
    if (!this.#elevated && !isOpenToAll(this.info.version)) return error;
    return new DcoError("busy", `another program has adapter ${name} open [${error.native?.name}]`, {
      native: error.native,
      effect: "none",
      cause: error,
    });
  }

  #capabilities(version: DriverVersion, mode: InterfaceMode | undefined): Capabilities {
    return windowsCapabilities({ version, chacha20: this.#chacha20, elevated: this.#elevated }, mode);
  }
}

/** From this version on the driver lets everybody open an adapter. */
function isOpenToAll(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return major * 10_000 + minor * 100 + patch >= 20_806;
}

function versionText({ major, minor, patch }: DriverVersion): string {
  return `${major}.${minor}.${patch}`;
}

/** Asks the version device, and without one an adapter that is free. */
async function readVersion(
  opener: DeviceOpener,
  adapters: readonly Adapter[],
): Promise<readonly [DriverVersion, string]> {
  let refused: unknown;
  const places = [
    [VERSION_DEVICE, "query", "the version device"] as const,
    ...adapters.map(({ path, name }) => [path, "exclusive", `adapter ${name}`] as const),
  ];
  for (const [path, access, where] of places) {
    try {
      return [await askVersion(opener, path, access), where];
    } catch (error) {
      if (DcoError.is(error) && error.code === "unavailable") throw error;
      refused = error;
    }
  }
  throw refused;
}

async function askVersion(
  opener: DeviceOpener,
  path: string,
  access: "exclusive" | "query",
): Promise<DriverVersion> {
  const device = opener.open(path, access);
  try {
    const code = ioctlCode("GET_VERSION");
    const { failure, bytes } = await device.ioctl(code, new Uint8Array(0), REPLY_BYTES.GET_VERSION as number)
      .outcome;
    if (failure === undefined) return decodeReply("GET_VERSION", bytes);
    if (win32Of(failure) !== ERROR_INVALID_FUNCTION) throw refusal("GET_VERSION", failure);
    const cause = refusal("GET_VERSION", failure);
    throw new DcoError("unavailable", `${MODULE} is older than 1.0; update it`, { cause });
  } finally {
    await device.close();
  }
}
