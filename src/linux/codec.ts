/**
 * What the backend needs to know of a DCO module: its netlink family's messages, and how it treats sockets.
 *
 * Requests and answers have one form for all modules; the codecs write and read each module's bytes.
 */
import type { MessageBuilder } from "../netlink/codec/builder.ts";
import type { MessageKind } from "../netlink/codec/describe.ts";
import type { NetlinkMessage } from "../netlink/codec/message.ts";
import type { CountersReply } from "./ovpn/counters-reply.ts";
import type { KeySlotName } from "./ovpn/messages.ts";
import type { PeerReply } from "./ovpn/peer-reply.ts";
import type { KeyReply, OvpnNotification } from "./ovpn/replies.ts";
import type { NewKey, NewPeer, OvpnTarget, PeerSettings } from "./ovpn/requests.ts";

/** Appends one request about a peer. */
type AboutPeer = (builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: number) => void;

/** Appends one request about a key slot. */
type AboutSlot = (
  builder: MessageBuilder,
  target: OvpnTarget,
  sequence: number,
  peer: number,
  slot: KeySlotName,
) => void;

/** See the module's comment. */
export interface ModuleCodec {
  /** Of the generic netlink family. */
  readonly family: string;
  /** Of its links, IFLA_INFO_KIND. */
  readonly linkKind: string;
  /** For traces and for error messages. */
  readonly kind: MessageKind;
  /**
   * What it does with the sockets of peers.
   *
   * `framed`: over TCP a recv gives one frame and a send takes one; a socket is its owner's alone.
   * `streamed`: over TCP they are parts of a stream; the module has a reference of its own to a socket, until a work
   * queue has released its last peer.
   */
  readonly sockets: "framed" | "streamed";
  /** It answers the removal of a peer after it has let go of it, which takes long; else a work queue does that later. */
  readonly releasesAtOnce: boolean;
  /** The kernel may merge packets that come out of a tunnel (GRO): see docs/linux.md. */
  readonly mergesReceived: boolean;

  peerNew(builder: MessageBuilder, target: OvpnTarget, sequence: number, peer: NewPeer): void;
  peerSet(builder: MessageBuilder, target: OvpnTarget, sequence: number, settings: PeerSettings): void;
  readonly peerGet: AboutPeer;
  peerDump(builder: MessageBuilder, target: OvpnTarget, sequence: number): void;
  readonly peerDel: AboutPeer;
  keyNew(builder: MessageBuilder, target: OvpnTarget, sequence: number, key: NewKey): void;
  readonly keySwap: AboutPeer;
  readonly keyDel: AboutSlot;
  /** Where the kernel tells what is in a slot. */
  readonly keyGet?: AboutSlot;
  /** Where a link does not tell its mode: a request that is always refused, with EINVAL by a multi-peer interface. */
  modeProbe?(builder: MessageBuilder, target: OvpnTarget, sequence: number): void;
  /**
   * Where some kernels refuse a VPN address that another peer has: a request that is always refused by a multi-peer
   * interface, with EINVAL by those.
   */
  vpnProbe?(builder: MessageBuilder, target: OvpnTarget, sequence: number): void;

  decodePeer(message: NetlinkMessage): PeerReply;
  decodeCounters(message: NetlinkMessage): CountersReply;
  decodeNotification(message: NetlinkMessage): OvpnNotification;
  decodeKey?(message: NetlinkMessage): KeyReply;

  /** A refusal with a sentence for people; errors of other kinds as they are. */
  describeRefusal(error: unknown, name: string): unknown;
}
