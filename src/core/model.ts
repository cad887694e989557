/**
 * The nouns of the contract as plain data: what callers pass in and what they get back.
 *
 * Everything here can be cloned structurally, except transports and sockets.
 */
import type { Transport } from "./contract.ts";

/** `p2p`: exactly one peer gets every packet. `multipeer`: many peers, selected by VPN address. */
export type InterfaceMode = "p2p" | "multipeer";

/** What carries the OpenVPN packets. */
export type TransportProtocol = "udp" | "tcp";

/** The AEAD ciphers that data channel offload knows, in OpenVPN's names (lower case). */
export const CIPHERS = ["aes-128-gcm", "aes-192-gcm", "aes-256-gcm", "chacha20-poly1305"] as const;

/** One of {@link CIPHERS}. */
export type CipherName = (typeof CIPHERS)[number];

/** Key lengths in bytes (OpenVPN's data channel; RFC 5288 and RFC 8439). */
export const CIPHER_KEY_BYTES: Readonly<Record<CipherName, number>> = {
  "aes-128-gcm": 16,
  "aes-192-gcm": 24,
  "aes-256-gcm": 32,
  "chacha20-poly1305": 32,
};

/** Length of the implicit part of the nonce in bytes: 12 less the 4 of the packet id. */
export const NONCE_TAIL_BYTES = 8;

/** Highest peer id that can be given: 24 bits, of which 0xFFFFFF means "undefined" on the wire. */
export const MAX_PEER_ID = 0xfffffe;

/** Highest key id: three bits on the wire. */
export const MAX_KEY_ID = 7;

/** `primary` encrypts; both slots decrypt, chosen by the key id in the packet. */
export type KeySlot = "primary" | "secondary";

/** An IP address with a port. */
export interface Endpoint {
  /** IPv4 or IPv6 address in text form; IPv4-mapped IPv6 is reported as IPv4. */
  readonly address: string;
  /** 0 to 65535; as a local port 0 means "any". */
  readonly port: number;
  /** Interface index that a link-local IPv6 address belongs to. */
  readonly scopeId?: number;
}

/** An {@link Endpoint}, or its text: `192.0.2.1:1194`, `[2001:db8::1]:1194`. */
export type EndpointInput = Endpoint | string;

/** Options that every asynchronous call takes. */
export interface CallOptions {
  /** Aborts the call. Before it is handed to the kernel there is no effect; afterwards `error.effect` says. */
  readonly signal?: AbortSignal;
}

/** What happens when an interface with the wanted name is there already. */
export type OnExisting = "fail" | "adopt" | "replace";

/** Options of `driver.createInterface`. */
export interface CreateInterfaceOptions extends CallOptions {
  readonly mode: InterfaceMode;
  /** At most 15 bytes on Linux and FreeBSD. Without one the interface is numbered by itself. */
  readonly name?: string;
  /** Default `fail`. `adopt` and `replace` apply only to an interface of the driver's own kind. */
  readonly onExisting?: OnExisting;
  /** Whether `close()` deletes the interface. Default: true if this call created it, false if it adopted it. */
  readonly deleteOnClose?: boolean;
}

/** Options of `driver.adoptInterface`. */
export interface AdoptInterfaceOptions extends CallOptions {
  /** `owner` may change everything; `observer` only reads statistics and events. Default `owner`. */
  readonly role?: "owner" | "observer";
  /** Needed where the kernel does not tell it (see `InterfaceInfo.mode`); must agree where it does. */
  readonly mode?: InterfaceMode;
  /** What an owner does with the peers that are there. Default `keep`. `flush` needs capability `listPeers`. */
  readonly peers?: "keep" | "flush";
  /** Default false. */
  readonly deleteOnClose?: boolean;
}

/** Options of `driver.listInterfaces` and `driver.cleanUp`. */
export interface ListInterfacesOptions extends CallOptions {}

/** Who created an interface, as recorded on the interface itself. */
export interface OwnerMarker {
  readonly pid: number;
  /** Start time of that process, in the platform's own ticks: tells it from a later one with the same id. */
  readonly startTime: string;
  /** Whether that process is still there. */
  readonly alive: boolean;
}

/** One interface of the driver's kind, as `driver.listInterfaces` finds it. */
export interface InterfaceInfo {
  readonly name: string;
  readonly index: number;
  /** Undefined where the kernel does not tell (ovpn-dco-v2, FreeBSD, Windows). */
  readonly mode: InterfaceMode | undefined;
  /** In bytes. */
  readonly mtu: number;
  /** Administratively up. */
  readonly up: boolean;
  /** The link is usable: up, and with carrier. */
  readonly linkUp: boolean;
  /** Present on what dcokit created. */
  readonly owner: OwnerMarker | undefined;
}

/** A route through the interface. */
export interface Route {
  /** Prefix such as `10.0.0.0/8`, `2001:db8::/32`, or an address for a host route. */
  readonly destination: string;
  /** A VPN address as the next hop; needed in multipeer mode to reach prefixes behind a peer. */
  readonly via?: string;
  /** The lower, the better; the default is the kernel's. Capability `routeMetric`. */
  readonly metric?: number;
}

/** The wanted state of the interface; see `dco.configure`. Fields that are left out stay as they are. */
export interface InterfaceConfig {
  /** Addresses with prefix lengths, such as `10.8.0.2/24` and `fd00::2/64`: exactly these, no others. */
  readonly addresses?: readonly string[];
  /** In bytes; limits in `capabilities.mtu`. */
  readonly mtu?: number;
  /** Administratively up, or down (capability `linkDown`). */
  readonly up?: boolean;
  /**
   * Exactly these of ours; routes that others made are left alone, and one in the place of theirs is `exists` with the
   * field `routes[n]`.
   */
  readonly routes?: readonly (Route | string)[];
  /** Addresses that must be reached outside the tunnel, such as the VPN server's. */
  readonly bypass?: readonly string[];
}

/** Options of `dco.openTransport`. */
export interface OpenTransportOptions extends CallOptions {
  readonly protocol: TransportProtocol;
  /** Default: any address of the remote's family, any port. */
  readonly local?: EndpointInput;
  /** The default destination of control packets and of peers. TCP connects to it. A port of 0 is refused. */
  readonly remote?: EndpointInput;
  /** An IPv6 socket that takes IPv4 too. Default: true if the local address is `::`, else false. */
  readonly dualStack?: boolean;
  /** A socket of the caller's instead of a new one; see {@link AdoptSocket}. */
  readonly adopt?: AdoptSocket;
  /** Control packets that may wait for a reader before the oldest are dropped and counted. Default 1024. */
  readonly queueLimit?: number;
  /** UDP: wanted size of the socket's receive buffer in bytes. Default 4 MiB; the kernel may give less. */
  readonly receiveBuffer?: number;
}

/** A socket of the caller's, by its descriptor or, over TCP, as Node has it. */
export type AdoptSocket = AdoptDescriptor | AdoptNodeSocket;

/**
 * A descriptor. It must have close-on-exec set.
 *
 * `keep` (default): the transport duplicates the descriptor, and the caller goes on owning his.
 * `take`: the transport owns and closes it; closing it behind the transport's back can abort the process, because
 * the event loop waits for it.
 */
export interface AdoptDescriptor {
  readonly fd: number;
  readonly ownership?: "keep" | "take";
  /** TCP: bytes that the caller has read and not used; see {@link AdoptNodeSocket}. */
  readonly head?: Uint8Array;
}

/**
 * A connected `net.Socket` of Node, with the control channel so far behind it. TCP only.
 *
 * The connection goes on in the transport and the `net.Socket` is destroyed, which sends nothing: its `close` event
 * comes, and no other. If the call fails before that, it stays as it was.
 *
 * No byte is lost or read twice if, when the call is made,
 * - nothing reads the socket: it has no `data` or `readable` listener, no encoding, and its end was not read. What Node
 *   has read and nobody took (`readableLength`) goes to the transport;
 * - what the caller has read beyond the last frame that he used is given as `head`;
 * - all writes are done (`writableLength` is 0).
 *
 * All but `head` is checked. A `tls.TLSSocket` is refused: what its TLS has read of the next bytes cannot be had. The
 * `net.Socket` below it can be given when both sides have said and heard their last words in TLS, and the other side
 * then sends nothing until it hears a frame from here; nobody can check that.
 */
export interface AdoptNodeSocket {
  readonly socket: NodeSocket;
  /** OpenVPN's frames (a length of two bytes, a packet), or the beginning of one. */
  readonly head?: Uint8Array;
}

/** What is used of a `net.Socket`. */
export interface NodeSocket {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly connecting: boolean;
  readonly destroyed: boolean;
  readonly readableEnded: boolean;
  readonly readableEncoding: unknown;
  readonly readableLength: number;
  readonly writableEnded: boolean;
  readonly writableLength: number;
  /** Must be 0 for `data` and `readable`. */
  listenerCount(event: string): number;
  /** Gives what was read and nobody took. */
  read(): unknown;
  /** Called when the connection has its new owner. */
  destroy(): unknown;
}

/** Options of `dco.listen`. */
export interface ListenOptions extends CallOptions {
  /** One that `capabilities.listeners` names. */
  readonly protocol: TransportProtocol;
  /** Where it waits; a port of 0 means any, `listener.local` tells which. */
  readonly local: EndpointInput;
  /** As in {@link OpenTransportOptions}. */
  readonly dualStack?: boolean;
  /** Of each transport, as in {@link OpenTransportOptions}. */
  readonly queueLimit?: number;
  /** Connections that may wait to be taken. Default 128. */
  readonly backlog?: number;
}

/** One control packet (any opcode but those of data, DATA_V1 and DATA_V2) from the network. */
export interface ControlPacket {
  /** The whole packet from its opcode on; over TCP without its length. The array is the reader's to keep. */
  readonly data: Uint8Array;
  /** Its sender. */
  readonly from: Endpoint;
}

/** Where a control packet goes: to a peer (follows a float), or to an address. */
export interface SendOptions extends CallOptions {
  /** The id of a peer: to where it is now. */
  readonly peer?: number;
  /** An address, without `peer`. Over TCP, and without `capabilities.anyRemote`, only the transport's remote. */
  readonly to?: EndpointInput;
}

/** What a transport has seen so far, in packets. */
export interface TransportCounters {
  /** Control packets that came, those included that were dropped afterwards. */
  readonly received: bigint;
  /** Control packets that were sent. */
  readonly sent: bigint;
  /** Control packets dropped because nobody read `packets()` fast enough. */
  readonly droppedQueueFull: bigint;
  /** Data packets that the kernel handed up because no peer was there to take them. */
  readonly droppedData: bigint;
  /** Packets that the kernel's receive buffer could not hold; undefined where it does not tell. */
  readonly droppedKernel: bigint | undefined;
}

/** VPN addresses of a peer: at least one in multipeer mode, none in p2p mode. */
export interface VpnAddresses {
  readonly ipv4?: string;
  readonly ipv6?: string;
}

/** Keepalive in seconds; OpenVPN's `ping` and `ping-restart`. */
export interface Keepalive {
  /** A ping is sent after this long without sending. */
  readonly interval: number;
  /** The peer is deleted (`expired`) after this long without receiving. At least `interval`. */
  readonly timeout: number;
}

/** Options of `dco.addPeer`. */
export interface AddPeerOptions {
  /** 0 to {@link MAX_PEER_ID}. */
  readonly id: number;
  readonly transport: Transport;
  /** UDP: where the peer is; default the transport's remote. TCP: left out. */
  readonly remote?: EndpointInput;
  /** The local address that packets to this peer come from (UDP). */
  readonly local?: string;
  /** Required in multipeer mode, refused in p2p mode. */
  readonly vpn?: VpnAddresses;
  /** Prefixes behind the peer (OpenVPN's iroutes). */
  readonly routes?: readonly string[];
  /** Armed with the first key, not before. */
  readonly keepalive?: Keepalive | "off";
  /** The peer id in packets that are sent, if the other side chose another (capability `asymmetricPeerId`). */
  readonly txId?: number;
  /** Replace the peer with this id (in p2p mode: whatever peer is there) instead of failing with `exists`. */
  readonly replace?: boolean;
}

/** Options of `dco.setPeer`: what is left out stays. */
export interface SetPeerOptions {
  readonly remote?: EndpointInput;
  /** Only together with `remote`. */
  readonly local?: string;
  /** `null` takes an address away; one must remain. */
  readonly vpn?: { readonly [Family in keyof VpnAddresses]: VpnAddresses[Family] | null };
  readonly routes?: readonly string[];
  readonly keepalive?: Keepalive | "off";
  readonly txId?: number;
}

/** One life of a peer id. */
export interface PeerRef {
  readonly id: number;
  /** A peer that is added later with the same id has a higher one. */
  readonly generation: number;
}

/** Key material of one direction. */
export interface KeyDirection {
  /** {@link CIPHER_KEY_BYTES} of the cipher. */
  readonly key: Uint8Array;
  /** {@link NONCE_TAIL_BYTES} bytes. */
  readonly nonceTail: Uint8Array;
}

/** A key for one slot of one peer. */
export interface KeyOptions {
  readonly slot: KeySlot;
  /** 0 to {@link MAX_KEY_ID}: the key id in the packets. */
  readonly id: number;
  readonly cipher: CipherName;
  /** What this end sends with. */
  readonly encrypt: KeyDirection;
  /** What the other end sends with. */
  readonly decrypt: KeyDirection;
  /** Zero the four arrays above when the call settles, whatever its outcome. Default false. */
  readonly wipe?: boolean;
}

/** What a slot holds. Key bytes cannot be read back. */
export interface KeyInfo {
  readonly slot: KeySlot;
  /** Undefined for a key that was there when the interface was adopted, where the kernel does not tell. */
  readonly id: number | undefined;
  readonly cipher: CipherName | "aes-gcm" | undefined;
}

/** A peer as the interface knows it. */
export interface PeerInfo extends PeerRef {
  /** Undefined for TCP peers, and for adopted peers where the kernel does not tell. */
  readonly remote: Endpoint | undefined;
  readonly local: Endpoint | undefined;
  readonly vpn: VpnAddresses;
  readonly keepalive: Keepalive | "off";
  readonly txId: number;
  readonly keys: readonly KeyInfo[];
}

/** Bytes and packets in both directions. */
export interface Counters {
  /** Received from the peer. */
  readonly rxBytes: bigint;
  /** Sent to the peer. */
  readonly txBytes: bigint;
  /** Undefined where the kernel counts bytes only. */
  readonly rxPackets: bigint | undefined;
  readonly txPackets: bigint | undefined;
}

/** Counters of one peer since it was added. */
export interface PeerStats extends PeerRef {
  /** OpenVPN packets on the transport: UDP payload, or TCP frames without their length. */
  readonly link: Counters | undefined;
  /** Packets inside the tunnel. */
  readonly tunnel: Counters | undefined;
}

/** Why a peer ended. */
export type PeerDeletedReason =
  /** `removePeer`. */
  | "requested"
  /** Another peer took its place. */
  | "replaced"
  /** Nothing was received for the keepalive timeout. */
  | "expired"
  /** The transport failed. */
  | "transport-error"
  /** The other end, or somebody with the same socket, closed the transport. */
  | "transport-disconnect"
  /** `transport.close()`. */
  | "transport-closed"
  /** The interface was closed or removed. */
  | "interface-removed"
  /** Somebody else removed it. */
  | "external"
  /** Found missing after events were lost; the reason went with them. */
  | "unknown";

/** What the interface tells; see `dco.events`. */
export type DcoEvent =
  | ({
      readonly type: "peer-deleted";
      readonly reason: PeerDeletedReason;
      readonly finalStats?: PeerStats;
    } & PeerEvent)
  | ({ readonly type: "peer-floated"; readonly remote: Endpoint } & PeerEvent)
  /** The packet ids of a key are used up and the kernel has destroyed it. */
  | ({ readonly type: "key-exhausted"; readonly keyId: number } & PeerEvent)
  /** A new key should be negotiated soon. */
  | ({ readonly type: "rekey-advised"; readonly keyId: number | undefined } & PeerEvent)
  | { readonly type: "link"; readonly up: boolean }
  | { readonly type: "interface-removed" }
  | { readonly type: "permission-lost"; readonly message: string }
  /** Events were lost; a `snapshot` follows. `lost` is undefined where the kernel does not count. */
  | { readonly type: "overflow"; readonly lost: number | undefined; readonly where: "kernel" | "reader" }
  | { readonly type: "snapshot"; readonly peers: readonly PeerInfo[] }
  /** A notification that this version does not know. Never fatal. */
  | { readonly type: "unknown"; readonly native: number; readonly detail: string }
  | { readonly type: "closed" };

/** The peer that an event is about. */
export interface PeerEvent {
  readonly peer: number;
  readonly generation: number;
}

/** Options of `dco.events`. */
export interface EventOptions {
  /** Ends the iteration (it does not throw). */
  readonly signal?: AbortSignal;
  /** Events that may wait for this reader. Default 4096. More end in `overflow` and a `snapshot`. */
  readonly queueLimit?: number;
}

/** The result of one item of a bulk call. */
export type BulkResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: Error };

/** Options of the bulk calls. */
export interface BulkOptions extends CallOptions {
  /** Called as items settle, with how many have. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The backends that dcokit knows; those that others write have other names. */
export type BackendName = "linux" | "linux-legacy" | "freebsd" | "windows" | "userspace";

/** What the driver is, and why it was chosen. */
export interface DriverInfo {
  readonly backend: BackendName | (string & {});
  /** Kernel module or driver: `ovpn`, `ovpn-dco-v2`, `if_ovpn`, `ovpn-dco-win`, `none`. */
  readonly module: string;
  /** The module's version where it has one of its own, else the kernel's. */
  readonly version: string;
  /** Release of the operating system's kernel; of the userspace backend with the system's name. */
  readonly kernel: string;
  /** Why it was chosen: one sentence. */
  readonly reason: string;
}
