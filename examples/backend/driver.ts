/**
 * A whole backend, as small as one can be: UDP, AES-GCM, interfaces that are streams of packets, all in this process.
 *
 * docs/write-a-backend.md explains it. It is for reading: every inner packet looks at every peer.
 */
import {
  type BackendDriver,
  type BackendInterface,
  type BackendRules,
  type CreateInterfaceRequest,
  unsupported,
} from "../../src/backend/index.ts";
import { type Capabilities, DcoError, type DriverInfo, type InterfaceInfo } from "../../src/index.ts";
import { ExampleInterface } from "./interface.ts";

// docs-begin capabilities
/** What it can do: the suite and core go by this list. */
const CAPABILITIES: Capabilities = {
  modes: ["p2p", "multipeer"],
  transports: ["udp"],
  listeners: [],
  // docs-end
  maxTransports: Number.MAX_SAFE_INTEGER,
  dualStack: false,
  anyRemote: true,
  adoptSocket: false,
  localAddressKnown: true,
  closeTransport: true,
  peerEndsTransport: [],
  maxControlPacket: 65507,
  ciphers: ["aes-128-gcm", "aes-192-gcm", "aes-256-gcm"],
  deleteKey: true,
  readKeys: true,
  replacePeer: true,
  setRemote: false,
  setVpn: false,
  peerLocalAddress: false,
  asymmetricPeerId: false,
  peerRoutes: false,
  bypassRoutes: false,
  routeMetric: false,
  disarmKeepalive: true,
  keepaliveWhenIdle: false,
  floatEvent: "none",
  hostMoves: [4, 6],
  floatAuthenticated: true,
  keyExhaustedEvent: false,
  rekeyAdvisedEvent: false,
  finalStats: false,
  eventQueue: Number.MAX_SAFE_INTEGER,
  linkStats: true,
  packetStats: true,
  countsPings: false,
  readPeers: true,
  listPeers: true,
  replayProtection: "always",
  sourceCheck: ["multipeer"],
  linkFollowsPeer: true,
  linkDown: true,
  systemInterface: false,
  tunDevice: false,
  survivesProcess: false,
  peersSurviveProcess: false,
  adoptInterface: false,
  observe: false,
  createInterface: true,
  mtu: { min: 68, max: 65000, default: 1400 },
  errorText: false,
  namespaces: false,
  socketMark: [],
  bindToDevice: [],
};

/** What differs from platform to platform: the names that interfaces can have, and options of one's own. */
const RULES: BackendRules = {
  interfaceNameProblem: (name) => (name.length > 15 || /[\s/\0]/.test(name) ? "is no name" : undefined),
  extras: {},
};

/** A host: what one driver makes, another sees. */
export type Interfaces = Map<string, ExampleInterface>;

export class ExampleBackend implements BackendDriver {
  readonly capabilities = CAPABILITIES;
  readonly rules = RULES;
  readonly info: DriverInfo = {
    backend: "example",
    module: "none",
    version: "1",
    kernel: process.platform,
    reason: "it was asked for by name",
  };
  readonly #interfaces: Interfaces;

  constructor(interfaces: Interfaces = new Map()) {
    this.#interfaces = interfaces;
  }

  // docs-begin create
  async createInterface(request: CreateInterfaceRequest): Promise<BackendInterface> {
    const { name = this.#freeName(), onExisting, deleteOnClose } = request;
    if (deleteOnClose === false)
      throw unsupported("survivesProcess", "it ends with its process", { effect: "none" });
    const existing = this.#interfaces.get(name);
    if (existing && onExisting === "fail")
      throw new DcoError("exists", `there is an interface ${name}`, { effect: "none" });
    if (existing && onExisting === "adopt")
      throw unsupported("adoptInterface", "it is of use only to who made it", { effect: "none" });
    // Nothing may come in between where nothing has to be waited for: another call would find the name free too.
    if (existing) await existing.remove();
    const made = new ExampleInterface(name, request, (gone) => {
      if (this.#interfaces.get(name) === gone) this.#interfaces.delete(name);
    });
    this.#interfaces.set(name, made);
    return made;
  }
  // docs-end

  /** Core has refused it, by the capabilities. */
  async adoptInterface(): Promise<never> {
    throw unsupported("adoptInterface", "it is of use only to who made it");
  }

  async listInterfaces(): Promise<InterfaceInfo[]> {
    return [...this.#interfaces.values()].map(({ info }) => info);
  }

  async deleteInterface(name: string): Promise<void> {
    const existing = this.#interfaces.get(name);
    if (existing) return existing.remove();
    throw new DcoError("not-found", `there is no interface ${name}`, { effect: "none" });
  }

  /** Core has closed the interfaces. */
  async close(): Promise<void> {}

  #freeName(): string {
    for (let number = 0; ; number++) if (!this.#interfaces.has(`example${number}`)) return `example${number}`;
  }
}
