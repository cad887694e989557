/*
 * What user programs and ovpn-dco-win say to each other, written down from facts about its interface: names, sizes,
 * offsets and values, as in test/vectors/ovpn-dco-win-layout.json, against which all of this is checked when it is built.
 * Part of a SIMULATOR: see README.md.
 *
 * Needs nothing but <stdint.h>, so that the driver, the part of it that uses sockets, and the check can include it.
 */
#ifndef DCOKIT_PROTOCOL_H
#define DCOKIT_PROTOCOL_H

#include <stdint.h>

#define OVPN_FAMILY_IPV4 2
#define OVPN_FAMILY_IPV6 23

/* Ports and addresses in network order, the family in that of the machine. */
typedef struct {
  uint16_t family;
  uint16_t port;
  uint8_t address[4];
  uint8_t zero[8];
} OVPN_ADDRESS4;

typedef struct {
  uint16_t family;
  uint16_t port;
  uint32_t flow;
  uint8_t address[16];
  uint32_t scope;
} OVPN_ADDRESS6;

typedef union {
  OVPN_ADDRESS4 Addr4;
  OVPN_ADDRESS6 Addr6;
} OVPN_ADDRESS;

typedef struct {
  OVPN_ADDRESS Local;
  OVPN_ADDRESS Remote;
  int32_t Proto;
} OVPN_NEW_PEER;

typedef struct {
  OVPN_ADDRESS Local;
  OVPN_ADDRESS Remote;
  uint8_t VpnAddr4[4];
  uint8_t VpnAddr6[16];
  int32_t PeerId;
} OVPN_MP_NEW_PEER;

typedef struct {
  int32_t LostInControlPackets;
  int32_t LostOutControlPackets;
  int32_t LostInDataPackets;
  int32_t LostOutDataPackets;
  int32_t ReceivedDataPackets;
  int32_t ReceivedControlPackets;
  int32_t SentControlPackets;
  int32_t SentDataPackets;
  int64_t TransportBytesSent;
  int64_t TransportBytesReceived;
  int64_t TunBytesSent;
  int64_t TunBytesReceived;
} OVPN_STATS;

typedef struct {
  int32_t PeerId;
  int64_t LinkRxBytes;
  int64_t LinkTxBytes;
  int64_t VpnRxBytes;
  int64_t VpnTxBytes;
} OVPN_PEER_STATS;

typedef struct {
  uint8_t Key[32];
  uint8_t KeyLen;
  uint8_t NonceTail[8];
} OVPN_KEY_DIRECTION;

typedef struct {
  OVPN_KEY_DIRECTION Encrypt;
  OVPN_KEY_DIRECTION Decrypt;
  int32_t KeySlot;
  int32_t CipherAlg;
  uint8_t KeyId;
  int32_t PeerId;
} OVPN_CRYPTO_DATA;

/* Of CryptoOptions, from 2.8 on; the bit meant something else before. */
#define CRYPTO_OPTIONS_EPOCH 2

typedef struct {
  OVPN_CRYPTO_DATA V1;
  uint32_t CryptoOptions;
} OVPN_CRYPTO_DATA_V2;

/* Seconds. */
typedef struct {
  int32_t KeepaliveInterval;
  int32_t KeepaliveTimeout;
  int32_t MSS;
} OVPN_SET_PEER;

typedef struct {
  int32_t PeerId;
  int32_t KeepaliveInterval;
  int32_t KeepaliveTimeout;
  int32_t MSS;
} OVPN_MP_SET_PEER;

typedef struct {
  int32_t Major;
  int32_t Minor;
  int32_t Patch;
} OVPN_VERSION;

typedef struct {
  int32_t Mode;
} OVPN_SET_MODE;

typedef struct {
  OVPN_ADDRESS ListenAddress;
  int32_t IPv6Only;
} OVPN_MP_START_VPN;

typedef struct {
  int32_t Cmd;
  int32_t PeerId;
  int32_t DelPeerReason;
  _Alignas(8) uint8_t FloatAddress[128];
} OVPN_NOTIFY_EVENT;

typedef struct {
  int32_t PeerId;
} OVPN_MP_DEL_PEER;

typedef struct {
  int32_t PeerId;
} OVPN_MP_SWAP_KEYS;

typedef struct {
  int32_t PeerId;
} OVPN_GET_PEER_STATS;

typedef struct {
  union {
    uint8_t Addr4[4];
    /* The alignment of an address of four bytes. */
    _Alignas(4) uint8_t Addr6[16];
  } Addr;
  int32_t Netbits;
  int32_t PeerId;
  int32_t IPv6;
} OVPN_MP_IROUTE;

typedef enum { OVPN_PROTO_UDP, OVPN_PROTO_TCP } OVPN_PROTO;
typedef enum { OVPN_KEY_SLOT_PRIMARY, OVPN_KEY_SLOT_SECONDARY } OVPN_KEY_SLOT;
typedef enum {
  OVPN_CIPHER_ALG_NONE,
  OVPN_CIPHER_ALG_AES_GCM,
  OVPN_CIPHER_ALG_CHACHA20_POLY1305
} OVPN_CIPHER_ALG;
typedef enum { OVPN_MODE_P2P, OVPN_MODE_MP } OVPN_MODE;
typedef enum { OVPN_CMD_DEL_PEER, OVPN_CMD_SWAP_KEYS, OVPN_CMD_FLOAT_PEER } OVPN_NOTIFY_CMD;
typedef enum {
  OVPN_DEL_PEER_REASON_TEARDOWN,
  OVPN_DEL_PEER_REASON_USERSPACE,
  OVPN_DEL_PEER_REASON_EXPIRED,
  OVPN_DEL_PEER_REASON_TRANSPORT_ERROR,
  OVPN_DEL_PEER_REASON_TRANSPORT_DISCONNECT
} OVPN_DEL_PEER_REASON;

/* FILE_DEVICE_UNKNOWN, METHOD_BUFFERED, FILE_ANY_ACCESS. */
#define OVPN_IOCTL(function) (0x220000u | (function) << 2)

#define OVPN_IOCTL_NEW_PEER OVPN_IOCTL(1)
#define OVPN_IOCTL_GET_STATS OVPN_IOCTL(2)
#define OVPN_IOCTL_NEW_KEY OVPN_IOCTL(3)
#define OVPN_IOCTL_SWAP_KEYS OVPN_IOCTL(4)
#define OVPN_IOCTL_SET_PEER OVPN_IOCTL(5)
#define OVPN_IOCTL_START_VPN OVPN_IOCTL(6)
#define OVPN_IOCTL_DEL_PEER OVPN_IOCTL(7)
#define OVPN_IOCTL_GET_VERSION OVPN_IOCTL(8)
#define OVPN_IOCTL_NEW_KEY_V2 OVPN_IOCTL(9)
#define OVPN_IOCTL_SET_MODE OVPN_IOCTL(10)
#define OVPN_IOCTL_MP_START_VPN OVPN_IOCTL(11)
#define OVPN_IOCTL_MP_NEW_PEER OVPN_IOCTL(12)
#define OVPN_IOCTL_MP_SET_PEER OVPN_IOCTL(13)
#define OVPN_IOCTL_NOTIFY_EVENT OVPN_IOCTL(14)
#define OVPN_IOCTL_MP_DEL_PEER OVPN_IOCTL(15)
#define OVPN_IOCTL_MP_SWAP_KEYS OVPN_IOCTL(16)
#define OVPN_IOCTL_MP_ADD_IROUTE OVPN_IOCTL(17)
#define OVPN_IOCTL_MP_DEL_IROUTE OVPN_IOCTL(18)
#define OVPN_IOCTL_GET_PEER_STATS OVPN_IOCTL(19)

#endif
