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
import { Registry } from "../../../src/userspace/registry.ts";
import { bothOf } from "../both.ts";
import type { Site } from "../world.ts";
import type { MixedBackends } from "./platform.ts";

/** See the module's comment. */
export class MixedBackend implements BackendDriver {
  readonly info;
  readonly capabilities: Capabilities;
  readonly rules: BackendRules;
  readonly #siteOf: MixedBackends["siteOf"];
  readonly #kernel: BackendDriver;
  readonly #userspace: ReadonlyMap<unknown, ReturnType<MixedBackends["openUserspace"]>>;

  private constructor(
    kernel: BackendDriver,
    { siteOf, openUserspace, userspaceCapabilities }: MixedBackends,
    userspaceAt: readonly Site[],
    firstPacketId: number,
  ) {
    this.#siteOf = siteOf;
    this.#kernel = kernel;
    this.#userspace = new Map(
      userspaceAt.map(({ extras }) => {
        const site = siteOf(extras as Extras);
        return [site, openUserspace(site, { registry: new Registry(), firstPacketId })];
      }),
    );
    this.info = kernel.info;
    this.rules = kernel.rules;
    this.capabilities = bothOf(kernel.capabilities, userspaceCapabilities);
  }

  /**
   * @param userspaceAt the sites with the userspace backend
   * @param firstPacketId of its keys
   */
  static async open(
    backends: MixedBackends,
    userspaceAt: readonly Site[],
    firstPacketId = 1,
  ): Promise<MixedBackend> {
    return new MixedBackend(await backends.openKernel(), backends, userspaceAt, firstPacketId);
  }

  async createInterface(
    request: CreateInterfaceRequest,
    signal: AbortSignal | undefined,
  ): Promise<BackendInterface> {
    const userspace = this.#userspace.get(this.#siteOf(request.extras));
    if (userspace) return userspace.createInterface(request);
    const made = await this.#kernel.createInterface(request, signal);
    // Those of its mode, where it says them itself.
    if (made.capabilities) return made;
    return Object.defineProperty(made, "capabilities", { value: this.#kernel.capabilities });
  }

  adoptInterface(request: AdoptInterfaceRequest, signal: AbortSignal | undefined): Promise<BackendInterface> {
    return this.#kernel.adoptInterface(request, signal);
  }

  listInterfaces(extras: Extras): Promise<InterfaceInfo[]> {
    return this.#at(extras).listInterfaces(extras);
  }

  deleteInterface(name: string, extras: Extras): Promise<void> {
    return this.#at(extras).deleteInterface(name, extras);
  }

  close(): Promise<void> {
    return this.#kernel.close();
  }

  #at(extras: Extras): Pick<BackendDriver, "listInterfaces" | "deleteInterface"> {
    return this.#userspace.get(this.#siteOf(extras)) ?? this.#kernel;
  }
}
