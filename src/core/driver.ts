/**
 * The driver of the contract, over a backend's.
 */
import type { BackendDriver, BackendInterface } from "./backend.ts";
import { Calls, peek } from "./calls.ts";
import type { Capabilities } from "./capabilities.ts";
import type { DcoDriver, DcoInterface } from "./contract.ts";
import { DcoError, describeError, type Effect, unsupported } from "./errors.ts";
import { CoreInterface } from "./interface.ts";
import type {
  AdoptInterfaceOptions,
  CreateInterfaceOptions,
  DriverInfo,
  InterfaceInfo,
  ListInterfacesOptions,
} from "./model.ts";
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
  readonly #calls: Calls;
  readonly #interfaces = new Set<CoreInterface>();
  #closing: Promise<void> | undefined;

  constructor(backend: BackendDriver) {
    this.#backend = backend;
    this.info = backend.info;
    this.#calls = new Calls("the driver", backend.info.backend);
    this.capabilities = backend.capabilities;
  }

  createInterface(options: CreateInterfaceOptions): Promise<DcoInterface> {
    const create = async (signal: AbortSignal | undefined) => {
      const request = validateCreateInterface(options, this.#backend.rules, this.capabilities);
      if (!this.capabilities.modes.includes(request.mode)) {
        throw unsupported("modes", `this driver has no ${request.mode} mode`);
      }
      const backend = await this.#backend.createInterface(request, signal);
      return this.#open(backend, "owner", request.deleteOnClose ?? backend.created, false);
    };
    const effect = peek(options, "onExisting") === "replace" ? "unknown" : "none";
    return this.#ask<DcoInterface>("createInterface", peek(options, "name"), options, create, effect);
  }

  adoptInterface(name: string, options: AdoptInterfaceOptions = {}): Promise<DcoInterface> {
    const adopt = async (signal: AbortSignal | undefined) => {
      const request = validateAdoptInterface(name, options, this.#backend.rules, this.capabilities);
      const capability = request.role === "owner" ? "adoptInterface" : "observe";
      if (!this.capabilities[capability]) {
        throw unsupported(capability, `no ${request.role} of a foreign interface`);
      }
      const backend = await this.#backend.adoptInterface(request, signal);
      return this.#open(backend, request.role, request.deleteOnClose, request.peers === "flush");
    };
    const effect = peek(options, "peers") === "flush" ? "unknown" : "none";
    return this.#ask<DcoInterface>("adoptInterface", name, options, adopt, effect);
  }

  listInterfaces(options: ListInterfacesOptions = {}): Promise<InterfaceInfo[]> {
    const list = async () => this.#backend.listInterfaces(this.#extras(options));
    return this.#ask("listInterfaces", undefined, options, list, "none");
  }

  deleteInterface(name: string, options: ListInterfacesOptions = {}): Promise<void> {
    const remove = async () =>
      this.#backend.deleteInterface(validateInterfaceName(name, this.#backend.rules), this.#extras(options));
    return this.#ask("deleteInterface", name, options, remove, "unknown");
  }

  cleanUp(options: ListInterfacesOptions = {}): Promise<InterfaceInfo[]> {
    const cleanUp = async () => {
      const extras = this.#extras(options);
      const removed: InterfaceInfo[] = [];
      for (const info of await this.#backend.listInterfaces(extras)) {
        if (info.owner === undefined || info.owner.alive) continue;
        try {
          await this.#backend.deleteInterface(info.name, extras, info.index);
          removed.push(info);
        } catch (error) {
          // Another process cleans up as well.
          if (!DcoError.is(error) || error.code !== "not-found") throw error;
        }
      }
      return removed;
    };
    return this.#ask("cleanUp", undefined, options, cleanUp, "unknown");
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
        capabilities: backend.capabilities ?? this.capabilities,
        rules: this.#backend.rules,
        role,
        deleteOnClose,
        onClosed: (closed) => this.#interfaces.delete(closed),
      },
      flush,
    );
    this.#interfaces.add(dco);
    return dco;
  }

  /**
   * A call whose result, if it comes too late, is closed again.
   *
   * @param abortEffect what is left of it then
   */
  #ask<T>(
    operation: string,
    target: unknown,
    options: unknown,
    body: (signal: AbortSignal | undefined) => Promise<T>,
    abortEffect: Effect,
  ): Promise<T> {
    const undo = async (late: T) => {
      if (late instanceof CoreInterface) await late.abandon();
    };
    // What was given instead of a name is not repeated: it may be a key.
    const name = typeof target === "string" ? target : undefined;
    const call = { operation, target: name, options, readSignal: validateSignal, undo, abortEffect };
    return this.#calls.ask(call, body);
  }

  #extras(options: ListInterfacesOptions) {
    return validateExtras(options, this.#backend.rules.extras.listInterfaces, ["signal"]);
  }

  async #close(): Promise<void> {
    this.#calls.lifetime.close();
    await this.#calls.lifetime.settled();
    const results = await Promise.allSettled([...this.#interfaces].map((dco) => dco.close()));
    await this.#backend.close();
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw describeError(failed.reason, "close", "driver");
  }
}
