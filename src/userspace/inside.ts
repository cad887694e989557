/**
 * What is inside of an interface: where packets for the tunnel come from, and where those from it go to.
 */
import type { BackendEventSink, ConfigureRequest, IpPrefix } from "../core/backend.ts";
import type { InterfaceInfo } from "../core/model.ts";
import type { DataPlane } from "./data/data-plane.ts";
import type { PacketStream } from "./packet-stream.ts";

/** A peer's addresses in the tunnel. */
export interface VpnAddresses {
  readonly vpn4: Uint8Array | undefined;
  readonly vpn6: Uint8Array | undefined;
}

/** See the module's comment. What it makes of a call is what a kernel's interface would. */
export interface Inside {
  readonly name: string;
  /** The operating system's number of it; 0 if it has none. */
  readonly index: number;
  /** The packets, where they are the caller's business. */
  readonly packets: PacketStream | undefined;
  /** Its state now; undefined if it is gone. */
  info(): Pick<InterfaceInfo, "mtu" | "up" | "linkUp" | "owner"> | undefined;
  /** Begins to give packets to the data plane, and to tell events. */
  start(plane: Pick<DataPlane, "transmit" | "drops">, sink: BackendEventSink): void;
  configure(request: ConfigureRequest): void;
  isLinkUp(): boolean;
  /** In p2p mode the link follows the peer. */
  hasPeers(some: boolean): void;
  /** A packet out of the tunnel; false if it was not taken. */
  deliver(packet: Buffer): boolean;
  /** Makes the system's routes to what is behind a peer be these. Errors: `exists` with the field, without effect. */
  setPeerRoutes(peer: number, prefixes: readonly IpPrefix[], vpn: VpnAddresses): void;
  close(): Promise<void>;
}
