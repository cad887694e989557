/**
 * The kernel's notifications about one interface, as backend events.
 */
import type { BackendEvent, BackendEventSink } from "../core/backend.ts";
import { DcoError } from "../core/errors.ts";
import { formatIp, unmapIpv4 } from "../core/ip.ts";
import type { Endpoint } from "../core/model.ts";
import type { WireTracer } from "../core/trace.ts";
import { describeDatagram } from "../netlink/codec/describe.ts";
import { parseDatagram } from "../netlink/codec/message.ts";
import type { ModuleCodec } from "./codec.ts";
import { moduleFormat } from "./formats.ts";
import type { OvpnNotification } from "./ovpn/replies.ts";
import type { OvpnTarget } from "./ovpn/requests.ts";

/**
 * Reads the datagrams of the group `peers` and hands on what is about the interface `ifindex`.
 *
 * The kernel tells of a peer in the namespace of its transport, with the number that its interface has in its own:
 * an interface of another namespace may have the same number. So every event is in doubt, and core asks the kernel.
 */
export class PeerNotifications {
  readonly #codec: ModuleCodec;
  readonly #family: number;
  readonly #ifindex: number;
  readonly #sink: BackendEventSink;
  readonly #tracer: WireTracer;

  constructor(
    codec: ModuleCodec,
    { family, ifindex }: OvpnTarget,
    sink: BackendEventSink,
    tracer: WireTracer,
  ) {
    this.#codec = codec;
    this.#family = family;
    this.#ifindex = ifindex;
    this.#sink = sink;
    this.#tracer = tracer;
  }

  take(datagram: Uint8Array): void {
    try {
      for (const message of parseDatagram(datagram)) {
        if (message.type !== this.#family) continue;
        const notification = this.#codec.decodeNotification(message);
        if ("ifindex" in notification && notification.ifindex !== this.#ifindex) continue;
        if (this.#tracer.wanted) this.#trace(datagram);
        const event = toEvent(notification);
        if (event) this.#sink(event);
      }
    } catch (error) {
      const detail = DcoError.is(error) ? error.message : String(error);
      this.#sink({ type: "unknown", native: -1, detail: `a notification that cannot be read: ${detail}` });
    }
  }

  #trace(datagram: Uint8Array): void {
    for (const { hex, ...message } of describeDatagram(
      datagram,
      moduleFormat(this.#codec, this.#family).kinds,
    )) {
      this.#tracer.write({ backend: "linux", direction: "event", message, hex });
    }
  }
}

function toEvent(notification: OvpnNotification): BackendEvent | undefined {
  const doubt = true;
  switch (notification.type) {
    case "peer-del-ntf": {
      const { peer, reason } = notification;
      return { type: "peer-deleted", peer, reason: typeof reason === "string" ? reason : "unknown", doubt };
    }
    case "key-swap-ntf":
      return { type: "key-exhausted", peer: notification.peer, keyId: notification.keyId, doubt };
    case "peer-float-ntf": {
      const { peer, remoteAddress, remotePort, remoteScopeId } = notification;
      return {
        type: "peer-floated",
        peer,
        remote: toEndpoint(remoteAddress, remotePort, remoteScopeId),
        doubt,
      };
    }
    case "unknown":
      return { type: "unknown", native: notification.command, detail: "a notification of a newer kernel" };
  }
}

/** An endpoint from the kernel's bytes. */
export function toEndpoint(address: Uint8Array, port: number, scopeId = 0): Endpoint {
  const text = formatIp(unmapIpv4(address));
  return scopeId === 0 ? { address: text, port } : { address: text, port, scopeId };
}
