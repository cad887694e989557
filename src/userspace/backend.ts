/**
 * The userspace backend: data channel offload without anything to offload to.
 */
import { getCiphers } from "node:crypto";
import { release, type } from "node:os";
import type {
  BackendDriver,
  BackendInterface,
  BackendRules,
  CreateInterfaceRequest,
  Extras,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError, invalid, unsupported } from "../core/errors.ts";
import type { DriverInfo, InterfaceInfo } from "../core/model.ts";
import type { WireTrace } from "../core/trace.ts";
import { type NamespaceInput, namespaceProblem, openNamespace } from "../netlink/namespace.ts";
import { userspaceCapabilities } from "./capabilities.ts";
import { SYSTEM_CLOCK } from "./clock.ts";
import { type Settings, UserspaceInterface } from "./interface.ts";
import { loadNative } from "./native.ts";
import { PROCESS_REGISTRY, type Registered, type Registry } from "./registry.ts";
import { StreamInside } from "./stream-inside.ts";
import type { TunSystem } from "./tun/system.ts";
import type { TunInside } from "./tun/tun-inside.ts";

/** As long as a device's name may be on the systems that have them. */
const NAME_BYTES = 15;

const DEFAULT_PACKET_QUEUE = 1024;
const MAX_PACKET_QUEUE = 2 ** 31 - 1;

/** Rules of arguments. */
export const USERSPACE_RULES: BackendRules = {
  interfaceNameProblem(name) {
    if (Buffer.byteLength(name) > NAME_BYTES) return `is longer than ${NAME_BYTES} bytes`;
    return /[\s/\0]/.test(name) ? "must not hold a slash or white space" : undefined;
  },
  extras: {
    createInterface: { packetQueue: queueProblem, device: deviceProblem, namespace: namespaceProblem },
    listInterfaces: { namespace: namespaceProblem },
  },
};

function deviceProblem(value: unknown): string | undefined {
  return value === "stream" || value === "tun" ? undefined : 'must be "stream" or "tun"';
}

function queueProblem(value: unknown): string | undefined {
  const fits = Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_PACKET_QUEUE;
  return fits ? undefined : `must be an integer from 1 to ${MAX_PACKET_QUEUE}`;
}

/** Linux; under Bun nothing watches its descriptor. */
const TUN_PLATFORM = process.platform === "linux" && !("bun" in process.versions);

/** Errors: `unsupported`, `invalid` (an option of the other kind). */
function checkFits(device: "stream" | "tun", extras: Extras): void {
  if (device === "tun" && !TUN_PLATFORM) {
    throw unsupported("tunDevice", "TUN devices are for Linux, under Node", { effect: "none" });
  }
  const foreign = device === "tun" ? "packetQueue" : "namespace";
  if (extras[foreign] === undefined) return;
  const problem = device === "tun" ? "a TUN device has no stream" : "only a TUN device is in a namespace";
  throw invalid(foreign, problem, { effect: "none" });
}

/** What a driver is made of. */
export interface UserspaceOptions extends Partial<Settings> {
  /** Why it was chosen, as one sentence. */
  readonly reason?: string | undefined;
  readonly trace?: WireTrace | undefined;
  readonly registry?: Registry;
}

/** See {@link BackendDriver}. */
export class UserspaceBackend implements BackendDriver {
  readonly info: DriverInfo;
  readonly capabilities: Capabilities;
  readonly rules = USERSPACE_RULES;
  readonly #settings: Settings;
  readonly #registry: Registry;
  readonly #trace: WireTrace | undefined;
  readonly #chacha20 = getCiphers().includes("chacha20-poly1305");
  #tun: TunSystem | undefined;

  constructor(options: UserspaceOptions = {}) {
    const { clock = SYSTEM_CLOCK, firstPacketId = 1, sockets = "best" } = options;
    const { registry = PROCESS_REGISTRY } = options;
    const { reason = "it was asked for by name" } = options;
    this.#settings = { clock, firstPacketId, sockets };
    this.#registry = registry;
    this.#trace = options.trace;
    this.capabilities = this.#capabilitiesOf("stream");
    this.info = {
      backend: "userspace",
      module: "none",
      version: `Node ${process.versions.node}, OpenSSL ${process.versions.openssl}`,
      kernel: `${type()} ${release()}`,
      reason,
    };
  }

  async createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    const { name, mode, onExisting, extras } = request;
    const { device = "stream" } = extras as { readonly device?: "stream" | "tun" };
    if (request.deleteOnClose === false) {
      throw unsupported("survivesProcess", "an interface goes with who made it", { effect: "none" });
    }
    checkFits(device, extras);
    const existing = name === undefined ? undefined : this.#registry.get(name, await this.#placeOf(extras));
    if (existing && onExisting === "adopt") {
      const problem = "an interface is of use only to who made it";
      throw unsupported("adoptInterface", problem, { effect: "none" });
    }
    if (existing && onExisting === "replace") await existing.remove();
    const capabilities = this.#capabilitiesOf(device);
    const inside =
      device === "tun"
        ? await this.#createTun(request, capabilities.mtu.default)
        : this.#createStream(request, capabilities.mtu.default);
    const [settings, registry] = [this.#settings, this.#registry];
    const place = "place" in inside ? inside.place : undefined;
    const made = new UserspaceInterface({ mode, inside, place, capabilities, settings, registry });
    try {
      this.#registry.add(made);
    } catch (error) {
      await inside.close();
      throw error;
    }
    return made;
  }

  #createStream({ mode, name, extras }: CreateInterfaceRequest, mtu: number): StreamInside {
    return new StreamInside({
      name: name ?? this.#registry.freeName(),
      mode,
      mtu,
      packetQueue: (extras["packetQueue"] as number | undefined) ?? DEFAULT_PACKET_QUEUE,
    });
  }

  async #createTun(request: CreateInterfaceRequest, mtu: number): Promise<TunInside> {
    const { TunInside } = await import("./tun/tun-inside.ts");
    return TunInside.create(await this.#tunSystem(), request, mtu);
  }

  /** Native code is not loaded before it is needed. */
  async #tunSystem(): Promise<TunSystem> {
    const { openTunSystem } = await import("./tun/system.ts");
    this.#tun ??= openTunSystem(this.#trace);
    return this.#tun;
  }

  /** Which of those with the same name are meant: those of a network namespace that is not the process's. */
  async #placeOf(extras: Extras): Promise<string | undefined> {
    const namespace = extras["namespace"] as NamespaceInput | undefined;
    if (namespace === undefined) return undefined;
    const { posix } = (await this.#tunSystem()).system;
    const { fd, id } = openNamespace(posix, namespace);
    if (fd === undefined) return undefined;
    posix.close(fd);
    return id;
  }

  #capabilitiesOf(device: "stream" | "tun"): Capabilities {
    const [tun, chacha20] = [device === "tun", this.#chacha20];
    const nativeSockets = this.#settings.sockets === "best" && loadNative() !== undefined;
    return userspaceCapabilities({ tun, tunDevice: TUN_PLATFORM, nativeSockets, chacha20 });
  }

  /** Core has refused it. */
  async adoptInterface(): Promise<never> {
    throw unsupported("adoptInterface", "an interface is of use only to who made it");
  }

  /** Those of this process: of others nothing is known. */
  async listInterfaces(extras: Extras): Promise<InterfaceInfo[]> {
    const place = await this.#placeOf(extras);
    return this.#registry.all(place).flatMap(({ info }) => info ?? []);
  }

  async deleteInterface(name: string, extras: Extras): Promise<void> {
    const existing: Registered | undefined = this.#registry.get(name, await this.#placeOf(extras));
    if (existing) return existing.remove();
    throw new DcoError("not-found", `there is no interface ${name}`, { effect: "none" });
  }

  /** Core has closed the interfaces. */
  async close(): Promise<void> {}
}
