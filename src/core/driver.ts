/**
 * The driver of the contract, over a backend's.
 */
import type { BackendDriver, BackendInterface } from "./backend.ts";
import type { Capabilities } from "./capabilities.ts";
import type { DcoDriver, DcoInterface } from "./contract.ts";
import { DcoError, describeError, unsupported } from "./errors.ts";
import { CoreInterface } from "./interface.ts";
import { Lifetime, throwIfAborted } from "./lifetime.ts";
import type {
  AdoptInterfaceOptions,
  CallOptions,
  CreateInterfaceOptions,
  DriverInfo,
  InterfaceInfo,
  ListInterfacesOptions,
} from "./model.ts";
import { publishError, publishRequest } from "./trace.ts";
import {
  validateAdoptInterface,
  validateCreateInterface,
  validateExtras,
  validateInterfaceName,
  validateSignal,
} from "./validate.ts";

/** See {@link DcoDriver}. */
export class CoreDriver implements DcoDriver {
  readonly info: DriverInfo;
  readonly capabilities: Capabilities;
  readonly #backend: BackendDriver;
  readonly #lifetime = new Lifetime("the driver");
  readonly #interfaces = new Set<CoreInterface>();
  #closing: Promise<void> | undefined;

  constructor(backend: BackendDriver) {
    this.#backend = backend;
    this.info = backend.info;
    this.capabilities = backend.capabilities;
  }

  createInterface(options: CreateInterfaceOptions): Promise<DcoInterface> {
    return this.#call("createInterface", options?.name, options, async (signal) => {
      const request = validateCreateInterface(options, this.#backend.rules, this.capabilities);
      if (!this.capabilities.modes.includes(request.mode)) {
        throw unsupported("modes", `this driver has no ${request.mode} mode`);
      }
      const making = this.#backend.createInterface(request, signal);
      const backend = await this.#lifetime.guard(making, signal, (late) => void late.close(late.created));
      return this.#open(backend, "owner", request.deleteOnClose ?? backend.created, false);
    });
  }

  adoptInterface(name: string, options: AdoptInterfaceOptions = {}): Promise<DcoInterface> {
    return this.#call("adoptInterface", name, options, async (signal) => {
      const request = validateAdoptInterface(name, options, this.#backend.rules, this.capabilities);
      const capability = request.role === "owner" ? "adoptInterface" : "observe";
      if (!this.capabilities[capability])
        throw unsupported(capability, `no ${request.role} of a foreign interface`);
      const finding = this.#backend.adoptInterface(request, signal);
      const backend = await this.#lifetime.guard(finding, signal, (late) => void late.close(false));
      return this.#open(backend, request.role, request.deleteOnClose, request.peers === "flush");
    });
  }

  listInterfaces(options: ListInterfacesOptions = {}): Promise<InterfaceInfo[]> {
    return this.#call("listInterfaces", undefined, options, () =>
      this.#backend.listInterfaces(this.#extras(options)),
    );
  }

  deleteInterface(name: string, options: ListInterfacesOptions = {}): Promise<void> {
    return this.#call("deleteInterface", name, options, () =>
      this.#backend.deleteInterface(validateInterfaceName(name, this.#backend.rules), this.#extras(options)),
    );
  }

  cleanUp(options: ListInterfacesOptions = {}): Promise<InterfaceInfo[]> {
    return this.#call("cleanUp", undefined, options, async () => {
      const extras = this.#extras(options);
      const removed: InterfaceInfo[] = [];
      for (const info of await this.#backend.listInterfaces(extras)) {
        if (info.owner === undefined || info.owner.alive) continue;
        try {
          await this.#backend.deleteInterface(info.name, extras);
          removed.push(info);
        } catch (error) {
          // Another process cleans up as well.
          if (!DcoError.is(error) || error.code !== "not-found") throw error;
        }
      }
      return removed;
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(
    backend: BackendInterface,
    role: "owner" | "observer",
    deleteOnClose: boolean,
    flush: boolean,
  ): Promise<DcoInterface> {
    const dco = await CoreInterface.open(
      {
        backend,
        backendName: this.info.backend,
        capabilities: this.capabilities,
        rules: this.#backend.rules,
        role,
        deleteOnClose,
        onClosed: (closed) => this.#interfaces.delete(closed),
      },
      flush,
    );
    this.#interfaces.add(dco);
    if (this.#lifetime.closed) await dco.close();
    return dco;
  }

  #extras(options: ListInterfacesOptions) {
    return validateExtras(options, this.#backend.rules.extras.listInterfaces, ["signal"]);
  }

  async #call<T>(
    operation: string,
    target: string | undefined,
    call: CallOptions | undefined,
    body: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    publishRequest(this.info.backend, undefined, operation, target);
    try {
      const signal = validateSignal(call);
      this.#lifetime.check();
      throwIfAborted(signal);
      return await this.#lifetime.guard(body(signal), signal);
    } catch (error) {
      const failure = describeError(error, operation, target);
      publishError(this.info.backend, undefined, failure);
      throw failure;
    }
  }

  async #close(): Promise<void> {
    this.#lifetime.close();
    const results = await Promise.allSettled([...this.#interfaces].map((dco) => dco.close()));
    await this.#backend.close();
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw describeError(failed.reason, "close", "driver");
  }
}
