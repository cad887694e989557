/**
 * The FreeBSD backend: interfaces of `if_ovpn`.
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
import { DcoError, invalid } from "../core/errors.ts";
import type { DriverInfo, InterfaceInfo, InterfaceMode } from "../core/model.ts";
import { freebsdCapabilities } from "./capabilities.ts";
import { isErrno } from "./exchange.ts";
import {
  createLink,
  hasCloner,
  indexOf,
  type LinkInfo,
  listLinks,
  removeLink,
  requireLink,
} from "./links.ts";
import { describeRefusal } from "./ovpn-errors.ts";
import { OvpnInterface } from "./ovpn-interface.ts";
import { type Stack, Stacks, type System, type VnetSockets } from "./stack.ts";
import { createSysctl, type Sysctl } from "./sysctl.ts";

const MODULE = "if_ovpn";

/** Bytes of a name without its NUL. */
const NAME_BYTES = 15;

/** FreeBSD 14.4 and 15: peers float and are told of, and have a local address. */
const FLOATS_SINCE = 1_404_000;

const vnetRule = {
  vnet: (value: unknown) =>
    typeof (value as VnetSockets | undefined)?.socket === "function"
      ? undefined
      : "must be an object with a function socket",
};

/** What is the platform's own in arguments. */
export const FREEBSD_RULES: BackendRules = {
  interfaceNameProblem(name) {
    if (name === "") return "is not a name that FreeBSD takes";
    if (Buffer.byteLength(name) > NAME_BYTES)
      return `is longer than the ${NAME_BYTES} bytes that FreeBSD takes`;
    // The kernel takes more, and the tools of the system then cannot tell it from options and addresses.
    return /^[A-Za-z][\w.-]*$/.test(name)
      ? undefined
      : "must begin with a letter, and hold only letters, digits, dots, dashes and underscores";
  },
  extras: {
    createInterface: {
      ...vnetRule,
      multicast: (value) => (typeof value === "boolean" ? undefined : "must be true or false"),
    },
    adoptInterface: vnetRule,
    listInterfaces: vnetRule,
    openTransport: vnetRule,
  },
};

/** See {@link BackendDriver}. */
export class FreebsdBackend implements BackendDriver {
  readonly info: DriverInfo;
  readonly capabilities: Capabilities;
  readonly rules = FREEBSD_RULES;
  readonly #stacks: Stacks;
  readonly #sysctl: Sysctl;
  readonly #home: Stack;

  private constructor(stacks: Stacks, sysctl: Sysctl, home: Stack, reason: string) {
    this.#stacks = stacks;
    this.#sysctl = sysctl;
    this.#home = home;
    const kernel = sysctl.readText("kern.osrelease") ?? "unknown";
    const version = sysctl.readInt("kern.osreldate") ?? 0;
    this.info = { backend: "freebsd", module: MODULE, version: String(version), kernel, reason };
    this.capabilities = freebsdCapabilities({
      floats: version >= FLOATS_SINCE,
      replayProtection: (sysctl.readInt("net.link.openvpn.replay_protection") ?? 0) !== 0,
    });
  }

  /** Loads the module. Errors: `unavailable` (there is none). */
  static open(system: System): FreebsdBackend {
    const sysctl = createSysctl(system.ffi);
    let refusal: unknown;
    try {
      sysctl.loadModule(MODULE);
    } catch (error) {
      // It may be part of the kernel, or we may be in a jail: what counts is whether it is there.
      refusal = error;
    }
    const stacks = new Stacks(system);
    const home = stacks.acquire(undefined);
    try {
      if (!hasCloner(home)) throw unavailable(refusal);
      return new FreebsdBackend(stacks, sysctl, home, `the kernel makes interfaces of ${MODULE}`);
    } catch (error) {
      stacks.release(home);
      throw error;
    }
  }

  createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    return this.#inStack(request.extras, async (stack) => {
      const { name, mode, onExisting } = request;
      if (name !== undefined && indexOf(stack, name) !== undefined) {
        if (onExisting === "fail") {
          throw new DcoError("exists", `there is an interface ${name} already`, { effect: "none" });
        }
        const link = requireLink(stack, this.#sysctl, name);
        if (onExisting === "adopt") return this.#interface(stack, link, knownMode(link, mode), false);
        await removeLink(stack, name);
      }
      const options = { mode, name, multicast: request.extras["multicast"] === true };
      return this.#interface(stack, await createLink(stack, this.#sysctl, options), mode, true);
    });
  }

  adoptInterface(request: AdoptInterfaceRequest): Promise<BackendInterface> {
    return this.#inStack(request.extras, async (stack) => {
      const link = requireLink(stack, this.#sysctl, request.name);
      return this.#interface(stack, link, knownMode(link, request.mode), false);
    });
  }

  listInterfaces(extras: Extras): Promise<InterfaceInfo[]> {
    return this.#within(extras, async (stack) => listLinks(stack, this.#sysctl));
  }

  deleteInterface(name: string, extras: Extras, index?: number): Promise<void> {
    return this.#within(extras, async (stack) => {
      const link = requireLink(stack, this.#sysctl, name);
      // A living owner's cannot be the leftover that was meant, though the kernel may have given it the same index.
      if (index !== undefined && (link.index !== index || link.mark?.owner.alive)) {
        throw new DcoError("not-found", `interface ${name} is another by now`, { effect: "none" });
      }
      await removeLink(stack, name);
    });
  }

  async close(): Promise<void> {
    this.#stacks.release(this.#home);
  }

  #interface(stack: Stack, link: LinkInfo, mode: InterfaceMode, created: boolean): OvpnInterface {
    return new OvpnInterface({ stacks: this.#stacks, stack, link, mode, created });
  }

  /** The interface that comes out keeps the stack. */
  async #inStack(
    extras: Extras,
    body: (stack: Stack) => Promise<BackendInterface>,
  ): Promise<BackendInterface> {
    const stack = this.#stacks.acquire(extras["vnet"] as VnetSockets | undefined);
    try {
      return await body(stack);
    } catch (error) {
      this.#stacks.release(stack);
      throw describeRefusal(error, "", "");
    }
  }

  async #within<T>(extras: Extras, body: (stack: Stack) => Promise<T>): Promise<T> {
    const stack = this.#stacks.acquire(extras["vnet"] as VnetSockets | undefined);
    try {
      return await body(stack);
    } catch (error) {
      throw describeRefusal(error, "", "");
    } finally {
      this.#stacks.release(stack);
    }
  }
}

/** The kernel has no modes: what dcokit made says it in its mark, of others the caller has to. */
function knownMode({ name, mark }: LinkInfo, wanted: InterfaceMode | undefined): InterfaceMode {
  const is = mark?.mode;
  if (is !== undefined && wanted !== undefined && is !== wanted) {
    throw new DcoError("invalid", `mode: interface ${name} is a ${is} one`, {
      field: "mode",
      effect: "none",
    });
  }
  const mode = is ?? wanted;
  if (mode !== undefined) return mode;
  throw invalid("mode", `is missing; nothing tells the mode of ${name}`, { effect: "none" });
}

function unavailable(refusal: unknown): DcoError {
  const why = DcoError.is(refusal) ? `: ${refusal.message}` : "";
  const denied = isErrno(refusal, "EPERM");
  const remedy = denied
    ? "load it as root outside of jails (kldload if_ovpn)"
    : "it comes with FreeBSD 14 and later (kldload if_ovpn)";
  return new DcoError("unavailable", `the kernel has no ${MODULE}${why}; ${remedy}`, { cause: refusal });
}
