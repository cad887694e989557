/**
 * The control codes of `ovpn-dco-win` and the layouts of what goes with them, as its interface header has them.
 *
 * The layouts are the same on x64, ARM64 and x86, and did not change between driver versions; later versions added
 * some. test/unit/windows checks each number against a compiler's.
 */

/** Function numbers of the control codes. */
const FUNCTIONS = {
  NEW_PEER: 1,
  GET_STATS: 2,
  NEW_KEY: 3,
  SWAP_KEYS: 4,
  SET_PEER: 5,
  START_VPN: 6,
  DEL_PEER: 7,
  GET_VERSION: 8,
  NEW_KEY_V2: 9,
  SET_MODE: 10,
  MP_START_VPN: 11,
  MP_NEW_PEER: 12,
  MP_SET_PEER: 13,
  NOTIFY_EVENT: 14,
  MP_DEL_PEER: 15,
  MP_SWAP_KEYS: 16,
  MP_ADD_IROUTE: 17,
  MP_DEL_IROUTE: 18,
  GET_PEER_STATS: 19,
} as const;

/** The driver's requests, by the names of the header without their prefix. */
export type IoctlName = keyof typeof FUNCTIONS;

export const IOCTL_NAMES = Object.keys(FUNCTIONS) as IoctlName[];

const FILE_DEVICE_UNKNOWN = 0x22;

/** CTL_CODE(FILE_DEVICE_UNKNOWN, function, METHOD_BUFFERED, FILE_ANY_ACCESS). */
export function ioctlCode(name: IoctlName): number {
  return (FILE_DEVICE_UNKNOWN << 16) | (FUNCTIONS[name] << 2);
}

/** Where a field is: offset and bytes. */
export type Field = readonly [offset: number, bytes: number];

/** A structure. */
export interface Struct<F extends string = string> {
  readonly size: number;
  readonly align: number;
  readonly fields: Readonly<Record<F, Field>>;
}

function struct<F extends string>(
  size: number,
  align: number,
  fields: Readonly<Record<F, Field>>,
): Struct<F> {
  return { size, align, fields };
}

/** Either sockaddr_in or sockaddr_in6. */
const ADDRESS = 28;

/** sockaddr_storage. */
const ANY_ADDRESS = 128;

/** One direction of a key. */
export const OVPN_KEY_DIRECTION = struct(41, 1, { Key: [0, 32], KeyLen: [32, 1], NonceTail: [33, 8] });

/** All structures of the header. */
export const STRUCTS = {
  OVPN_NEW_PEER: struct(60, 4, { Local: [0, ADDRESS], Remote: [28, ADDRESS], Proto: [56, 4] }),
  OVPN_MP_NEW_PEER: struct(80, 4, {
    Local: [0, ADDRESS],
    Remote: [28, ADDRESS],
    VpnAddr4: [56, 4],
    VpnAddr6: [60, 16],
    PeerId: [76, 4],
  }),
  OVPN_STATS: struct(64, 8, {
    LostInControlPackets: [0, 4],
    LostOutControlPackets: [4, 4],
    LostInDataPackets: [8, 4],
    LostOutDataPackets: [12, 4],
    ReceivedDataPackets: [16, 4],
    ReceivedControlPackets: [20, 4],
    SentControlPackets: [24, 4],
    SentDataPackets: [28, 4],
    TransportBytesSent: [32, 8],
    TransportBytesReceived: [40, 8],
    TunBytesSent: [48, 8],
    TunBytesReceived: [56, 8],
  }),
  OVPN_PEER_STATS: struct(40, 8, {
    PeerId: [0, 4],
    LinkRxBytes: [8, 8],
    LinkTxBytes: [16, 8],
    VpnRxBytes: [24, 8],
    VpnTxBytes: [32, 8],
  }),
  OVPN_KEY_DIRECTION,
  OVPN_CRYPTO_DATA: struct(100, 4, {
    Encrypt: [0, 41],
    Decrypt: [41, 41],
    KeySlot: [84, 4],
    CipherAlg: [88, 4],
    KeyId: [92, 1],
    PeerId: [96, 4],
  }),
  OVPN_CRYPTO_DATA_V2: struct(104, 4, { V1: [0, 100], CryptoOptions: [100, 4] }),
  OVPN_SET_PEER: struct(12, 4, { KeepaliveInterval: [0, 4], KeepaliveTimeout: [4, 4], MSS: [8, 4] }),
  OVPN_MP_SET_PEER: struct(16, 4, {
    PeerId: [0, 4],
    KeepaliveInterval: [4, 4],
    KeepaliveTimeout: [8, 4],
    MSS: [12, 4],
  }),
  OVPN_VERSION: struct(12, 4, { Major: [0, 4], Minor: [4, 4], Patch: [8, 4] }),
  OVPN_SET_MODE: struct(4, 4, { Mode: [0, 4] }),
  OVPN_MP_START_VPN: struct(32, 4, { ListenAddress: [0, ADDRESS], IPv6Only: [28, 4] }),
  OVPN_NOTIFY_EVENT: struct(144, 8, {
    Cmd: [0, 4],
    PeerId: [4, 4],
    DelPeerReason: [8, 4],
    FloatAddress: [16, ANY_ADDRESS],
  }),
  OVPN_MP_DEL_PEER: struct(4, 4, { PeerId: [0, 4] }),
  OVPN_MP_SWAP_KEYS: struct(4, 4, { PeerId: [0, 4] }),
  OVPN_MP_IROUTE: struct(28, 4, { Addr: [0, 16], Netbits: [16, 4], PeerId: [20, 4], IPv6: [24, 4] }),
  OVPN_GET_PEER_STATS: struct(4, 4, { PeerId: [0, 4] }),
} as const;

/** The numbers of the header's enumerations. */
export const ENUMS = {
  OVPN_PROTO: { udp: 0, tcp: 1 },
  OVPN_KEY_SLOT: { primary: 0, secondary: 1 },
  /** NONE, 0, would send in the clear: nothing here can ask for it. */
  OVPN_CIPHER_ALG: {
    "aes-128-gcm": 1,
    "aes-192-gcm": 1,
    "aes-256-gcm": 1,
    "chacha20-poly1305": 2,
  },
  OVPN_MODE: { p2p: 0, multipeer: 1 },
  OVPN_NOTIFY_CMD: { DEL_PEER: 0, SWAP_KEYS: 1, FLOAT_PEER: 2 },
  OVPN_DEL_PEER_REASON: {
    teardown: 0,
    userspace: 1,
    expired: 2,
    "transport-error": 3,
    "transport-disconnect": 4,
  },
} as const;

/** A receive buffer of the driver's; a read must have room for it, and for an address before it. */
export const MOST_RECEIVED = 2048;

/** What a control packet may have at most; versions up to 2.5 and later copy more over their own buffer. */
export const MOST_SENT = 1500;
