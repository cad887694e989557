/**
 * The userspace backend at sites that are network namespaces: its sockets are the site's, as those of a process there
 * would be, and so are its interfaces where they are TUN devices.
 */
import type { BackendInterface, CreateInterfaceRequest, Extras } from "../../../src/core/backend.ts";
import type { InterfaceInfo } from "../../../src/core/model.ts";
import type { Posix } from "../../../src/ffi/posix.ts";
import { UserspaceBackend, type UserspaceOptions } from "../../../src/userspace/backend.ts";
import { withinNamespace } from "./namespace.ts";

/** What interfaces are. */
export type Device = "stream" | "tun";

/** See the module's comment. The option `namespace` says which site is meant; streams are at one. */
export class PlacedBackend {
  readonly device: Device;
  readonly #posix: Posix;
  readonly #backend: UserspaceBackend;

  constructor(posix: Posix, device: Device, options: UserspaceOptions) {
    this.device = device;
    this.#posix = posix;
    this.#backend = new UserspaceBackend(options);
  }

  get info() {
    return this.#backend.info;
  }

  async createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    const namespace = request.extras["namespace"] as string | undefined;
    const made = await this.#backend.createInterface({ ...request, extras: this.#extras(request.extras) });
    if (namespace === undefined) return made;
    const openTransport = made.openTransport.bind(made);
    const listen = made.listen.bind(made);
    made.openTransport = (...args) => withinNamespace(this.#posix, namespace, () => openTransport(...args));
    made.listen = (...args) => withinNamespace(this.#posix, namespace, () => listen(...args));
    return made;
  }

  adoptInterface(): Promise<never> {
    return this.#backend.adoptInterface();
  }

  listInterfaces(extras: Extras): Promise<InterfaceInfo[]> {
    return this.#backend.listInterfaces(this.#place(extras));
  }

  deleteInterface(name: string, extras: Extras): Promise<void> {
    return this.#backend.deleteInterface(name, this.#place(extras));
  }

  close(): Promise<void> {
    return this.#backend.close();
  }

  #extras(extras: Extras): Extras {
    return { ...this.#place(extras), device: this.device };
  }

  #place(extras: Extras): Extras {
    const { namespace, ...others } = extras;
    return this.device === "tun" ? extras : others;
  }
}
