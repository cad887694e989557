/**
 * The Linux backend: interfaces of the in-tree module `ovpn`.
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
import type { LinkInfo } from "../netlink/codec/link.ts";
import { findLink, removeLink, requireLink } from "../netlink/links.ts";
import { nameProblem } from "../netlink/names.ts";
import { type NamespaceInput, namespaceProblem } from "../netlink/namespace.ts";
import { ovpnCapabilities } from "./capabilities.ts";
import { Contexts, type NamespaceContext, type System } from "./context.ts";
import { type OvpnFamily, resolveOvpn } from "./family.ts";
import { createModeLink, linkMode, listLinks, takeOver } from "./links.ts";
import { OvpnInterface } from "./ovpn-interface.ts";
import { markProblem } from "./socket-options.ts";

/** The kind of our links. */
const KIND = "ovpn";

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
  readonly #ovpn: OvpnFamily;
  readonly #warmCiphers = new Set<string>();

  private constructor(system: System, contexts: Contexts, home: NamespaceContext, ovpn: OvpnFamily) {
    this.#system = system;
    this.#contexts = contexts;
    this.#home = home;
    this.#ovpn = ovpn;
    this.info = ovpn.info;
    this.capabilities = ovpnCapabilities(ovpn.has71);
  }

  /** Errors: `unavailable` (no module). */
  static async open(system: System): Promise<LinuxBackend> {
    let group = 0;
    const contexts = new Contexts(system, () => group);
    const home = contexts.acquire(undefined);
    try {
      const ovpn = await resolveOvpn(home.genlLanes);
      group = ovpn.group;
      return new LinuxBackend(system, contexts, home, ovpn);
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
        const link = requireLink(context, existing.name, KIND);
        if (onExisting === "adopt") {
          checkMode(link, mode);
          takeOver(context, link);
          return this.#interface(context, link, false);
        }
        await removeLink(context, link.index);
      } else if (existing) {
        const kind = existing.kind === KIND ? "" : ` (of kind ${existing.kind ?? "none"})`;
        throw new DcoError("exists", `there is an interface ${name} already${kind}`, { effect: "none" });
      }
      return this.#interface(context, await createModeLink(context, KIND, mode, name), true);
    });
  }

  adoptInterface(request: AdoptInterfaceRequest): Promise<BackendInterface> {
    return this.#inContext(request.extras, async (context) => {
      const link = requireLink(context, request.name, KIND);
      if (request.mode !== undefined) checkMode(link, request.mode);
      if (request.role === "owner") takeOver(context, link);
      return this.#interface(context, link, false);
    });
  }

  listInterfaces(extras: Extras): Promise<InterfaceInfo[]> {
    return this.#within(extras, (context) => listLinks(context, KIND));
  }

  deleteInterface(name: string, extras: Extras, index?: number): Promise<void> {
    return this.#within(extras, async (context) => {
      const link = requireLink(context, name, KIND);
      if (index !== undefined && link.index !== index) {
        throw new DcoError("not-found", `interface ${name} is another by now`, { effect: "none" });
      }
      await removeLink(context, link.index);
    });
  }

  close(): Promise<void> {
    return this.#contexts.release(this.#home);
  }

  #interface(context: NamespaceContext, link: LinkInfo, created: boolean): OvpnInterface {
    return new OvpnInterface({
      system: this.#system,
      contexts: this.#contexts,
      context,
      family: this.#ovpn.family.id,
      link,
      created,
      capabilities: this.capabilities,
      warmCiphers: this.#warmCiphers,
    });
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

function checkMode(link: LinkInfo, wanted: InterfaceMode): void {
  const is = linkMode(link);
  if (is === wanted) return;
  throw new DcoError("invalid", `mode: interface ${link.name} is a ${is} one`, {
    field: "mode",
    effect: "none",
  });
}
