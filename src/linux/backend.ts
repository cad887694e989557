/**
 * The Linux backend: interfaces of the in-tree module `ovpn`, or of the out-of-tree `ovpn-dco-v2`.
 */
import type {
  AdoptInterfaceRequest,
  BackendDriver,
  BackendInterface,
  BackendRules,
  CreateInterfaceRequest,
  Extras,
} from "../core/backend.ts";
import type { Capabilities } from "../core/capabilities.ts";
import { DcoError } from "../core/errors.ts";
import type { DriverInfo, InterfaceInfo, InterfaceMode } from "../core/model.ts";
import { createOneProcessor, type OneProcessor } from "../ffi/one-processor.ts";
import type { LinkInfo } from "../netlink/codec/link.ts";
import { findLink, removeLink, requireLink } from "../netlink/links.ts";
import { nameProblem } from "../netlink/names.ts";
import { type NamespaceInput, namespaceProblem } from "../netlink/namespace.ts";
import { Contexts, type NamespaceContext, type System } from "./context.ts";
import { type DcoModule, resolveModule, type WantedModule } from "./family.ts";
import { moduleFormat } from "./formats.ts";
import { createModeLink, linkMode, listLinks, takeOver } from "./links.ts";
import { OvpnInterface } from "./ovpn-interface.ts";
import { markProblem } from "./socket-options.ts";

const namespaceRule = { namespace: namespaceProblem };

const socketRules = {
  ...namespaceRule,
  mark: markProblem,
  device: (value: unknown) =>
    typeof value === "string" ? nameProblem(value) : "must be an interface's name",
};

/** What is the platform's own in arguments. */
export const LINUX_RULES: BackendRules = {
  interfaceNameProblem: nameProblem,
  extras: {
    createInterface: namespaceRule,
    adoptInterface: namespaceRule,
    listInterfaces: namespaceRule,
    openTransport: socketRules,
    listen: socketRules,
  },
};

/** See {@link BackendDriver}. */
export class LinuxBackend implements BackendDriver {
  readonly info: DriverInfo;
  readonly capabilities: Capabilities;
  readonly rules = LINUX_RULES;
  readonly #system: System;
  readonly #contexts: Contexts;
  readonly #home: NamespaceContext;
  readonly #module: DcoModule;
  readonly #oneProcessor: OneProcessor;
  readonly #warmCiphers = new Set<string>();

  private constructor(system: System, contexts: Contexts, home: NamespaceContext, module: DcoModule) {
    this.#system = system;
    this.#contexts = contexts;
    this.#home = home;
    this.#module = module;
    this.#oneProcessor = createOneProcessor(system.ffi);
    this.info = module.info;
    this.capabilities = module.capabilities();
  }

  /** Errors: `unavailable` (no module). */
  static async open(system: System, wanted: WantedModule): Promise<LinuxBackend> {
    let group = 0;
    const contexts = new Contexts(system, () => group);
    const home = contexts.acquire(undefined);
    try {
      const module = await resolveModule(home.genlLanes, wanted);
      group = module.group;
      return new LinuxBackend(system, contexts, home, module);
    } catch (error) {
      await contexts.release(home);
      throw error;
    }
  }

  createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    return this.#inContext(request.extras, async (context) => {
      const { name, mode, onExisting } = request;
      const existing = name === undefined ? undefined : findLink(context, { name });
      if (existing && onExisting !== "fail") {
        const link = requireLink(context, existing.name, this.#kind);
        if (onExisting === "adopt") {
          this.#checkMode(context, link, mode);
          takeOver(context, link);
          return this.#interface(context, link, mode, false);
        }
        await removeLink(context, link.index);
      } else if (existing) {
        const kind = existing.kind === this.#kind ? "" : ` (of kind ${existing.kind ?? "none"})`;
        throw new DcoError("exists", `there is an interface ${name} already${kind}`, { effect: "none" });
      }
      return this.#interface(
        context,
        await createModeLink(context, this.#module.codec, mode, name),
        mode,
        true,
      );
    });
  }

  adoptInterface(request: AdoptInterfaceRequest): Promise<BackendInterface> {
    return this.#inContext(request.extras, async (context) => {
      const link = requireLink(context, request.name, this.#kind);
      const mode = this.#checkMode(context, link, request.mode);
      if (request.role === "owner") takeOver(context, link);
      return this.#interface(context, link, mode, false);
    });
  }

  listInterfaces(extras: Extras): Promise<InterfaceInfo[]> {
    return this.#within(extras, async (context) => {
      const links = await listLinks(context, this.#kind);
      return links.map((link) => ({ ...link, mode: link.mode ?? this.#modeIfAllowed(context, link.index) }));
    });
  }

  deleteInterface(name: string, extras: Extras, index?: number): Promise<void> {
    return this.#within(extras, async (context) => {
      const link = requireLink(context, name, this.#kind);
      if (index !== undefined && link.index !== index) {
        throw new DcoError("not-found", `interface ${name} is another by now`, { effect: "none" });
      }
      await removeLink(context, link.index);
    });
  }

  close(): Promise<void> {
    return this.#contexts.release(this.#home);
  }

  get #kind(): string {
    return this.#module.codec.linkKind;
  }

  #interface(
    context: NamespaceContext,
    link: LinkInfo,
    mode: InterfaceMode,
    created: boolean,
  ): OvpnInterface {
    const { codec, family } = this.#module;
    return new OvpnInterface({
      system: this.#system,
      contexts: this.#contexts,
      context,
      codec,
      family,
      link,
      mode,
      created,
      capabilities: this.#module.capabilities(mode),
      oneProcessor: this.#oneProcessor,
      warmCiphers: this.#warmCiphers,
    });
  }

  /** The mode that an interface has. Errors: `invalid` if it is not the wanted one. */
  #checkMode(context: NamespaceContext, link: LinkInfo, wanted: InterfaceMode | undefined): InterfaceMode {
    const mode = linkMode(link) ?? this.#askedMode(context, link.index) ?? wanted ?? "p2p";
    if (wanted === undefined || mode === wanted) return mode;
    throw new DcoError("invalid", `mode: interface ${link.name} is a ${mode} one`, {
      field: "mode",
      effect: "none",
    });
  }

  /** As `#askedMode`; undefined without the right to ask as well. */
  #modeIfAllowed(context: NamespaceContext, ifindex: number): InterfaceMode | undefined {
    try {
      return this.#askedMode(context, ifindex);
    } catch (error) {
      if (DcoError.is(error) && error.code === "permission") return undefined;
      throw error;
    }
  }

  /** Of a link that does not tell its mode: by how a request is refused. Undefined if it is gone. */
  #askedMode({ genl }: NamespaceContext, ifindex: number): InterfaceMode | undefined {
    const { codec, family } = this.#module;
    try {
      genl.request(moduleFormat(codec, family), (to, seq) => codec.modeProbe?.(to, { family, ifindex }, seq));
    } catch (error) {
      const refusal = DcoError.is(error) ? error.native?.name : undefined;
      if (refusal === "EINVAL") return "multipeer";
      if (refusal === "ENOTSOCK") return "p2p";
      if (refusal !== "ENODEV") throw error;
    }
    return undefined;
  }

  /** The interface that comes out keeps the context. */
  async #inContext(
    extras: Extras,
    body: (context: NamespaceContext) => Promise<BackendInterface>,
  ): Promise<BackendInterface> {
    const context = this.#contexts.acquire(extras["namespace"] as NamespaceInput | undefined);
    try {
      return await body(context);
    } catch (error) {
      await this.#contexts.release(context);
      throw error;
    }
  }

  async #within<T>(extras: Extras, body: (context: NamespaceContext) => Promise<T>): Promise<T> {
    const context = this.#contexts.acquire(extras["namespace"] as NamespaceInput | undefined);
    try {
      return await body(context);
    } finally {
      await this.#contexts.release(context);
    }
  }
}
