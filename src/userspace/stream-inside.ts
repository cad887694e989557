/**
 * An interface that is no device: its packets are a stream.
 */
import type { BackendEventSink, ConfigureRequest } from "../core/backend.ts";
import type { InterfaceMode } from "../core/model.ts";
import type { DataPlane } from "./data/data-plane.ts";
import type { Inside } from "./inside.ts";
import { PacketStream } from "./packet-stream.ts";
import { ownerMarker } from "./registry.ts";

/** What a stream is made of. */
export interface StreamParts {
  readonly name: string;
  readonly mode: InterfaceMode;
  readonly mtu: number;
  readonly packetQueue: number;
}

/** See {@link Inside}. */
export class StreamInside implements Inside {
  readonly name: string;
  /** The operating system has no such interface. */
  readonly index = 0;
  readonly packets: PacketStream;
  readonly #mode: InterfaceMode;
  #plane: Pick<DataPlane, "transmit" | "drops"> | undefined;
  #sink: BackendEventSink | undefined;
  #mtu: number;
  #up = false;
  #peers = false;
  #wasLinkUp = false;

  constructor({ name, mode, mtu, packetQueue }: StreamParts) {
    this.name = name;
    this.#mode = mode;
    this.#mtu = mtu;
    this.packets = new PacketStream(packetQueue, (packet) => this.#transmit(packet));
  }

  info() {
    return { mtu: this.#mtu, up: this.#up, linkUp: this.isLinkUp(), owner: ownerMarker() };
  }

  start(plane: Pick<DataPlane, "transmit" | "drops">, sink: BackendEventSink): void {
    this.#plane = plane;
    this.#sink = sink;
  }

  /** Core has refused what a stream has not. */
  configure({ mtu = this.#mtu, up = this.#up }: ConfigureRequest): void {
    this.#mtu = mtu;
    this.#up = up;
    this.#tellLink();
  }

  /** As Linux' `ovpn` has it. */
  isLinkUp(): boolean {
    return this.#up && (this.#mode === "multipeer" || this.#peers);
  }

  hasPeers(some: boolean): void {
    this.#peers = some;
    this.#tellLink();
  }

  deliver(packet: Buffer): boolean {
    return this.#up && this.packets.deliver(packet);
  }

  /** There is no system to have routes. */
  setPeerRoutes(): void {}

  async close(): Promise<void> {
    this.#sink = undefined;
    this.packets.finish();
  }

  #transmit(packet: Uint8Array): void {
    const plane = this.#plane;
    if (plane === undefined) return;
    if (!this.#up || this.#sink === undefined) plane.drops.noPeer++;
    else if (packet.length > this.#mtu) plane.drops.invalid++;
    else plane.transmit(packet);
  }

  #tellLink(): void {
    const up = this.isLinkUp();
    if (up === this.#wasLinkUp) return;
    this.#wasLinkUp = up;
    this.#sink?.({ type: "link", up });
  }
}
