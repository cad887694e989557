/**
 * An interface that is a TUN device: the system's, with addresses and routes.
 */
import type {
  BackendEventSink,
  ConfigureRequest,
  CreateInterfaceRequest,
  IpPrefix,
} from "../../core/backend.ts";
import { DcoError, invalid, unsupported } from "../../core/errors.ts";
import type { InterfaceMode } from "../../core/model.ts";
import type { LinkInfo } from "../../netlink/codec/link.ts";
import { Configuration } from "../../netlink/configure.ts";
import type { NetworkContext } from "../../netlink/context.ts";
import { LinkWatch } from "../../netlink/link-watch.ts";
import { createLink, findLink, isLinkUp, removeLink, requireLink } from "../../netlink/links.ts";
import { nameProblem } from "../../netlink/names.ts";
import type { NamespaceInput } from "../../netlink/namespace.ts";
import { ownerOf } from "../../netlink/owner.ts";
import type { DataPlane } from "../data/data-plane.ts";
import type { Inside, VpnAddresses } from "../inside.ts";
import { TunDevice } from "./device.ts";
import type { TunSystem } from "./system.ts";

/** The kind of such links. */
const KIND = "tun";

/** What is given to devices without a name: the kernel puts in the lowest free number. */
const PATTERN = "dcotun%d";

/** A device that is ready, and what it was made in. */
interface Made {
  readonly system: TunSystem;
  readonly context: NetworkContext;
  readonly device: TunDevice;
  readonly link: LinkInfo;
  readonly mode: InterfaceMode;
}

/** See {@link Inside}. */
export class TunInside implements Inside {
  readonly name: string;
  readonly index: number;
  readonly packets = undefined;
  readonly #made: Made;
  readonly #configuration: Configuration;
  readonly #watch: LinkWatch;
  #sink: BackendEventSink | undefined;
  #hasPeers = false;
  #rightLost = false;
  #closing: Promise<void> | undefined;

  private constructor(made: Made) {
    const { context, link } = made;
    this.#made = made;
    this.name = link.name;
    this.index = link.index;
    this.#configuration = new Configuration(context, link.index);
    this.#watch = new LinkWatch(context, link, this.#configuration);
  }

  /**
   * Makes a device in the network namespace that the option `namespace` says.
   *
   * Errors: `exists`, `permission`, `unavailable`, `unsupported` (to adopt one).
   */
  static async create(
    system: TunSystem,
    { mode, name, onExisting, extras }: CreateInterfaceRequest,
    mtu: number,
  ): Promise<TunInside> {
    const problem = name === undefined ? undefined : nameProblem(name);
    if (problem !== undefined) throw invalid("name", problem, { effect: "none" });
    const context = system.contexts.acquire(extras["namespace"] as NamespaceInput | undefined);
    try {
      if (name !== undefined) await makeRoom(context, name, onExisting);
      const { device, link } = await createDevice(system, context, name ?? PATTERN, mtu);
      if (mode === "p2p") await beginWithoutCarrier(device);
      return new TunInside({ system, context, device, link, mode });
    } catch (error) {
      await system.contexts.release(context);
      throw error;
    }
  }

  /** Tells namespaces apart; undefined for that of the process. */
  get place(): string | undefined {
    const { fd, id } = this.#made.context.namespace;
    return fd === undefined ? undefined : id;
  }

  info() {
    const link = findLink(this.#made.context, { index: this.index });
    if (link === undefined) return undefined;
    const { mtu = 0, up, alias } = link;
    return { mtu, up, linkUp: isLinkUp(link), owner: ownerOf(link.name, alias) };
  }

  start(plane: Pick<DataPlane, "transmit">, sink: BackendEventSink): void {
    this.#sink = sink;
    this.#watch.start(sink);
    this.#made.device.start((packet) => plane.transmit(packet));
  }

  configure(request: ConfigureRequest): void {
    try {
      this.#configuration.apply(request);
    } catch (error) {
      if (DcoError.is(error) && error.code === "permission" && !this.#rightLost) {
        // The right that it was made with is gone: told once.
        this.#rightLost = true;
        this.#sink?.({ type: "permission-lost", message: error.message });
      }
      throw error;
    }
  }

  isLinkUp(): boolean {
    return this.#watch.isUp();
  }

  hasPeers(some: boolean): void {
    if (this.#made.mode === "multipeer" || some === this.#hasPeers || this.#closing) return;
    this.#hasPeers = some;
    const { context, device } = this.#made;
    // It may be gone, which is told elsewhere.
    this.#watch.attempt("the link cannot follow the peer", () => {
      device.setCarrier(some);
      // The kernel drops packets until it has taken note of the carrier; being asked for the link, it does that first.
      if (some) findLink(context, { index: this.index });
    });
  }

  deliver(packet: Buffer): boolean {
    return this.#made.device.write(packet);
  }

  setPeerRoutes(peer: number, prefixes: readonly IpPrefix[], vpn: VpnAddresses): void {
    if (this.#closing) return;
    if (prefixes.length > 0) this.#configuration.setPeerRoutes(peer, prefixes, vpn);
    else {
      this.#watch.attempt(`routes of peer ${peer} cannot be removed`, () =>
        this.#configuration.setPeerRoutes(peer, prefixes, vpn),
      );
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { system, context, device } = this.#made;
    this.#watch.stop();
    this.#configuration.close();
    try {
      await device.close();
    } finally {
      await system.contexts.release(context);
    }
  }
}

/** Errors: `exists`, `invalid` (another kind), `unsupported`. */
async function makeRoom(
  context: NetworkContext,
  name: string,
  onExisting: CreateInterfaceRequest["onExisting"],
): Promise<void> {
  if (findLink(context, { name }) === undefined) return;
  if (onExisting === "fail") {
    throw new DcoError("exists", `there is an interface ${name} already`, { effect: "none" });
  }
  const existing = requireLink(context, name, KIND);
  if (onExisting === "adopt") {
    throw unsupported("adoptInterface", "a TUN device is of use only to who made it", { effect: "none" });
  }
  if (ownerOf(existing.name, existing.alias)) return removeLink(context, existing.index);
  throw new DcoError("exists", `there is an interface ${name} already, and it is none of dcokit's`, {
    effect: "none",
  });
}

/** The kernel has given it one with its first descriptor. Errors: `unavailable`. */
async function beginWithoutCarrier(device: TunDevice): Promise<void> {
  try {
    device.setCarrier(false);
  } catch (cause) {
    await device.close();
    const problem =
      "TUN devices of this kernel have no carrier that can be set: in p2p mode Linux 5.0 is needed";
    throw new DcoError("unavailable", problem, { effect: "none", cause });
  }
}

async function createDevice(
  { system: { ffi, posix } }: TunSystem,
  context: NetworkContext,
  name: string,
  mtu: number,
): Promise<{ readonly device: TunDevice; readonly link: LinkInfo }> {
  let device: TunDevice | undefined;
  const make = async (born: string) => {
    device = await TunDevice.create(ffi, posix, (body) => context.run(body), born);
  };
  try {
    const link = await createLink(context, KIND, make, { name, mtu });
    return { device: device as TunDevice, link };
  } catch (error) {
    await device?.close();
    throw error;
  }
}
