/**
 * The userspace backend: data channel offload without anything to offload to.
 */
import { getCiphers } from "node:crypto";
import { createSocket } from "node:dgram";
import { release, type } from "node:os";
import type {
  BackendDriver,
  BackendInterface,
  BackendRules,
  CreateInterfaceRequest,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError, unsupported } from "../core/errors.ts";
import type { DriverInfo, InterfaceInfo } from "../core/model.ts";
import { userspaceCapabilities } from "./capabilities.ts";
import { SYSTEM_CLOCK } from "./clock.ts";
import { type Settings, UserspaceInterface } from "./interface.ts";
import { PROCESS_REGISTRY, type Registered, type Registry } from "./registry.ts";

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
  extras: { createInterface: { packetQueue: queueProblem } },
};

function queueProblem(value: unknown): string | undefined {
  const fits = Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_PACKET_QUEUE;
  return fits ? undefined : `must be an integer from 1 to ${MAX_PACKET_QUEUE}`;
}

/** What a driver is made of. */
export interface UserspaceOptions extends Partial<Settings> {
  /** Why it was chosen, as one sentence. */
  readonly reason?: string;
  readonly registry?: Registry;
}

/** See {@link BackendDriver}. */
export class UserspaceBackend implements BackendDriver {
  readonly info: DriverInfo;
  readonly capabilities: Capabilities;
  readonly rules = USERSPACE_RULES;
  readonly #settings: Settings;
  readonly #registry: Registry;

  constructor(options: UserspaceOptions = {}) {
    const { clock = SYSTEM_CLOCK, firstPacketId = 1, registry = PROCESS_REGISTRY } = options;
    const { makeSocket = createSocket, reason = "it was asked for by name" } = options;
    this.#settings = { clock, firstPacketId, makeSocket };
    this.#registry = registry;
    const chacha20 = getCiphers().includes("chacha20-poly1305");
    this.capabilities = userspaceCapabilities({ tun: false, chacha20 });
    this.info = {
      backend: "userspace",
      module: "none",
      version: `Node ${process.versions.node}, OpenSSL ${process.versions.openssl}`,
      kernel: `${type()} ${release()}`,
      reason,
    };
  }

  async createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    const { mode, onExisting, extras } = request;
    if (request.deleteOnClose === false) {
      throw unsupported("survivesProcess", "an interface goes with who made it", { effect: "none" });
    }
    const existing = request.name === undefined ? undefined : this.#registry.get(request.name);
    if (existing && onExisting === "adopt") {
      const problem = "an interface is of use only to who made it";
      throw unsupported("adoptInterface", problem, { effect: "none" });
    }
    if (existing && onExisting === "replace") await existing.remove();
    const made = new UserspaceInterface({
      name: request.name ?? this.#registry.freeName(),
      mode,
      capabilities: this.capabilities,
      packetQueue: (extras["packetQueue"] as number | undefined) ?? DEFAULT_PACKET_QUEUE,
      settings: this.#settings,
      registry: this.#registry,
    });
    this.#registry.add(made);
    return made;
  }

  /** Core has refused it. */
  async adoptInterface(): Promise<never> {
    throw unsupported("adoptInterface", "an interface is of use only to who made it");
  }

  /** Those of this process: of others nothing is known. */
  async listInterfaces(): Promise<InterfaceInfo[]> {
    return this.#registry.all().map(({ info }) => info);
  }

  async deleteInterface(name: string): Promise<void> {
    const existing: Registered | undefined = this.#registry.get(name);
    if (existing) return existing.remove();
    throw new DcoError("not-found", `there is no interface ${name}`, { effect: "none" });
  }

  /** Core has closed the interfaces. */
  async close(): Promise<void> {}
}
