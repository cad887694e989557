/**
 * One driver over two backends: at some sites interfaces are the kernel's, at the others the userspace backend's.
 */
import type {
  AdoptInterfaceRequest,
  BackendDriver,
  BackendInterface,
  BackendRules,
  CreateInterfaceRequest,
  Extras,
} from "../../../src/core/backend.ts";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import type { InterfaceInfo } from "../../../src/core/model.ts";
import { WireTracer } from "../../../src/core/trace.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { LinuxBackend } from "../../../src/linux/backend.ts";
import { userspaceCapabilities } from "../../../src/userspace/capabilities.ts";
import { Registry } from "../../../src/userspace/registry.ts";
import { type Device, PlacedBackend } from "./placed.ts";

/** Bytes of room for events, as `openDriver` has it. */
const EVENT_BUFFER = 8 * 1024 * 1024;

/** What both can do, where a case asks the driver rather than an interface. */
function bothOf(one: Capabilities, other: Capabilities): Capabilities {
  const both: Record<string, unknown> = { ...one };
  for (const [name, value] of Object.entries(other)) {
    const mine = both[name];
    if (typeof mine === "boolean") both[name] = mine && value;
    else if (Array.isArray(mine)) both[name] = mine.filter((each) => (value as unknown[]).includes(each));
  }
  // Either end may tell by looking.
  return { ...(both as unknown as Capabilities), floatEvent: one.floatEvent, eventQueue: undefined };
}

/** See the module's comment. A site is where the option `namespace` says. */
export class MixedBackend implements BackendDriver {
  readonly info;
  readonly capabilities: Capabilities;
  readonly rules: BackendRules;
  readonly #linux: LinuxBackend;
  readonly #userspace: ReadonlyMap<string, PlacedBackend>;

  private constructor(linux: LinuxBackend, userspace: ReadonlyMap<string, PlacedBackend>, device: Device) {
    this.#linux = linux;
    this.#userspace = userspace;
    this.info = linux.info;
    this.rules = linux.rules;
    const facts = { tun: device === "tun", tunDevice: true, nativeSockets: true, chacha20: true };
    this.capabilities = bothOf(linux.capabilities, userspaceCapabilities(facts));
  }

  /**
   * @param userspaceAt namespaces of the sites with the userspace backend
   * @param device what its interfaces are
   * @param firstPacketId of its keys
   */
  static async open(
    userspaceAt: readonly string[],
    device: Device,
    firstPacketId = 1,
  ): Promise<MixedBackend> {
    const ffi = loadFfi();
    const posix = createPosix(ffi);
    const system = {
      ffi,
      posix,
      tracer: new WireTracer(undefined),
      eventTransport: "auto",
      eventBuffer: EVENT_BUFFER,
    } as const;
    const linux = await LinuxBackend.open(system, "auto");
    const userspace = userspaceAt.map((namespace) => {
      const placed = new PlacedBackend(posix, device, { registry: new Registry(), firstPacketId });
      return [namespace, placed] as const;
    });
    return new MixedBackend(linux, new Map(userspace), device);
  }

  async createInterface(
    request: CreateInterfaceRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendInterface> {
    const userspace = this.#userspace.get(request.extras["namespace"] as string);
    if (userspace === undefined) {
      const made = await this.#linux.createInterface(request);
      return Object.defineProperty(made, "capabilities", { value: this.#linux.capabilities });
    }
    const made = await userspace.createInterface(request);
    signal?.throwIfAborted();
    return made;
  }

  adoptInterface(request: AdoptInterfaceRequest): Promise<BackendInterface> {
    return this.#linux.adoptInterface(request);
  }

  listInterfaces(extras: Extras): Promise<InterfaceInfo[]> {
    return this.#at(extras).listInterfaces(extras);
  }

  deleteInterface(name: string, extras: Extras): Promise<void> {
    return this.#at(extras).deleteInterface(name, extras);
  }

  close(): Promise<void> {
    return this.#linux.close();
  }

  #at(extras: Extras): Pick<BackendDriver, "listInterfaces" | "deleteInterface"> {
    return this.#userspace.get(extras["namespace"] as string) ?? this.#linux;
  }
}
