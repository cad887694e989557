/**
 * A backend in memory for tests of core: it keeps peers, and tells what a test makes it tell.
 *
 * It proves nothing about a kernel; the conformance suite does.
 */
import type {
  AddPeerRequest,
  BackendDriver,
  BackendEvent,
  BackendEventSink,
  BackendInterface,
  BackendListener,
  BackendPeer,
  BackendStats,
  BackendTransport,
  BackendTransportHandlers,
  IpEndpoint,
  KeyRequest,
  PeerFields,
} from "../../../src/core/backend.ts";
import type { Capabilities } from "../../../src/core/capabilities.ts";
import { DcoError } from "../../../src/core/errors.ts";
import type { DriverInfo, Endpoint, InterfaceMode, KeyInfo } from "../../../src/core/model.ts";
import { ovpnCapabilities } from "../../../src/linux/capabilities.ts";

/** A transport whose packets a test makes. */
export class MemoryTransport implements BackendTransport {
  readonly protocol = "udp";
  readonly local: Endpoint = { address: "192.0.2.1", port: 1194 };
  readonly remote: Endpoint = { address: "192.0.2.2", port: 1194 };
  readonly family = 4;
  readonly dualStack = false;
  readonly sent: { packet: Uint8Array; to: IpEndpoint | undefined }[] = [];
  handlers: BackendTransportHandlers | undefined;
  closed = 0;

  start(handlers: BackendTransportHandlers): void {
    this.handlers = handlers;
  }

  async send(packet: Uint8Array, to: IpEndpoint | undefined): Promise<void> {
    this.sent.push({ packet, to });
  }

  droppedKernel(): undefined {}

  async close(): Promise<void> {
    this.closed++;
  }
}

/** What a test can hold up: the name of a verb, and the promise that it waits for. */
export type Gates = Partial<Record<keyof BackendInterface, Promise<unknown>>>;

export class MemoryInterface implements BackendInterface {
  readonly name = "mem0";
  readonly index = 7;
  readonly mode: InterfaceMode;
  readonly created: boolean;
  /** Peers as "the kernel" has them. */
  readonly kernel = new Map<number, BackendPeer>();
  /** Every request, in order. */
  readonly log: string[] = [];
  /** Keys that were installed. */
  readonly keys_: { peer: number; key: Uint8Array }[] = [];
  readonly gates: Gates = {};
  readonly failures: Partial<Record<keyof BackendInterface, DcoError>> = {};
  readonly transports: MemoryTransport[] = [];
  closed: boolean | undefined;
  #sink: BackendEventSink | undefined;

  constructor(mode: InterfaceMode, created = true) {
    this.mode = mode;
    this.created = created;
  }

  /** Tells something, as the kernel does. */
  tell(event: BackendEvent): void {
    this.#sink?.(event);
  }

  async start(sink: BackendEventSink): Promise<void> {
    this.#sink = sink;
  }

  async configure(): Promise<void> {
    await this.#step("configure", "configure");
  }

  async isLinkUp(): Promise<boolean> {
    return false;
  }

  async openTransport(_request?: unknown, _signal?: AbortSignal): Promise<BackendTransport> {
    await this.#step("openTransport", "openTransport");
    const transport = new MemoryTransport();
    this.transports.push(transport);
    return transport;
  }

  async listen(): Promise<BackendListener> {
    throw new DcoError("unsupported", "memory");
  }

  async addPeer(request: AddPeerRequest): Promise<void> {
    await this.#step("addPeer", `addPeer ${request.id}`);
    const { id } = request;
    const remote = request.remote && { address: request.remote.text, port: request.remote.port };
    this.kernel.set(id, {
      id,
      remote,
      local: undefined,
      vpn4: undefined,
      vpn6: undefined,
      keepalive: "off",
      txId: id,
    });
  }

  async setPeer(id: number, request: PeerFields): Promise<void> {
    await this.#step("setPeer", `setPeer ${id} ${JSON.stringify(request.keepalive)}`);
  }

  async removePeer(id: number): Promise<void> {
    await this.#step("removePeer", `removePeer ${id}`);
    if (!this.kernel.delete(id)) throw new DcoError("not-found", `no peer ${id}`);
  }

  async peer(id: number): Promise<BackendPeer> {
    const peer = this.kernel.get(id);
    if (!peer) throw new DcoError("not-found", `no peer ${id}`);
    return peer;
  }

  async peers(): Promise<BackendPeer[]> {
    return [...this.kernel.values()];
  }

  async stats(): Promise<BackendStats[]> {
    return [...this.kernel.keys()].map((id) => ({ id, link: undefined, tunnel: undefined }));
  }

  async installKey(peer: number, key: KeyRequest): Promise<void> {
    await this.#step("installKey", `installKey ${peer} ${key.slot} ${key.id}`);
    this.keys_.push({ peer, key: Uint8Array.from(key.encryptKey) });
  }

  async swapKeys(peer: number): Promise<void> {
    await this.#step("swapKeys", `swapKeys ${peer}`);
  }

  async deleteKey(peer: number, slot: string): Promise<void> {
    await this.#step("deleteKey", `deleteKey ${peer} ${slot}`);
  }

  async keys(): Promise<KeyInfo[] | undefined> {
    return undefined;
  }

  async close(deleteInterface: boolean): Promise<void> {
    await this.#step("close", "close");
    this.closed = deleteInterface;
  }

  async #step(verb: keyof BackendInterface, line: string): Promise<void> {
    this.log.push(line);
    await this.gates[verb];
    const failure = this.failures[verb];
    if (failure) throw failure;
  }
}

const INFO: DriverInfo = {
  backend: "userspace",
  module: "none",
  version: "0",
  kernel: "test",
  reason: "a test of core",
};

/** A driver that hands out one interface. */
export function memoryDriver(
  dco: MemoryInterface,
  capabilities: Partial<Capabilities> = {},
  making: Promise<unknown> = Promise.resolve(),
): BackendDriver {
  const give = async () => {
    await making;
    return dco;
  };
  return {
    info: INFO,
    capabilities: { ...ovpnCapabilities(true), readKeys: false, ...capabilities },
    rules: { interfaceNameProblem: () => undefined, extras: {} },
    createInterface: give,
    adoptInterface: give,
    listInterfaces: async () => [],
    deleteInterface: async () => {},
    close: async () => {},
  };
}
