/*
 * What tests say to the simulator beside the driver's own protocol, on a device of its own, \\.\dcokit-simulator.
 * The real driver has nothing of this: a range of functions of its own (0x900 and up) keeps the two apart.
 * test/windows/simulator.ts has the same in TypeScript. Every request begins with the number of an adapter, in the
 * order in which they were started.
 */
#ifndef DCOKIT_CONTROL_H
#define DCOKIT_CONTROL_H

#include "protocol.h"

#define SIMULATOR_IOCTL(function) OVPN_IOCTL(function)

#define SIMULATOR_STATE SIMULATOR_IOCTL(0x900)       /* in: number; out: SIMULATOR_STATE_REPLY */
#define SIMULATOR_CONFIGURE SIMULATOR_IOCTL(0x901)   /* in: SIMULATOR_SETTINGS; refused while a handle is open */
#define SIMULATOR_EMIT_EVENT SIMULATOR_IOCTL(0x902)  /* in: SIMULATOR_EVENT */
#define SIMULATOR_FAIL_READ SIMULATOR_IOCTL(0x903)   /* in: SIMULATOR_FAILURE; one pended read ends so */
#define SIMULATOR_RECEIVE SIMULATOR_IOCTL(0x904)     /* in: SIMULATOR_PACKET and its bytes, as if from the wire */
#define SIMULATOR_ENABLE SIMULATOR_IOCTL(0x905)      /* in: SIMULATOR_SWITCH; the device's interface on or off */
#define SIMULATOR_PEER SIMULATOR_IOCTL(0x906)        /* in: SIMULATOR_PEER_QUERY; out: SIMULATOR_PEER_REPLY */
#define SIMULATOR_REQUESTS SIMULATOR_IOCTL(0x907)    /* in: number; out: SIMULATOR_REQUEST[], and forgets them */
#define SIMULATOR_HOLD_CLOSE SIMULATOR_IOCTL(0x908)  /* in: SIMULATOR_TIME, ms; IRP_MJ_CLOSE of the next handle takes so long */
#define SIMULATOR_SLEEP SIMULATOR_IOCTL(0x909)       /* in: SIMULATOR_TIME, s; as if the system had slept for so long */
#define SIMULATOR_RELEASE SIMULATOR_IOCTL(0x90A)     /* in: number; ends what SIMULATOR_KEEP_CANCELLED has kept */

/* An interface that Wine's SetupDi finds as well, by which tests tell adapters. */
typedef struct {
  int32_t Adapters;
  int32_t OpenHandles;
  int32_t PendingReads;
  /* Requests that are served, and whose answer is on its way. */
  int32_t PendingAnswers;
  int32_t PendingNotifications;
  int32_t PendingConnects;
  int32_t Peers;
  int32_t Sockets;
  int32_t Threads;
  int32_t QueuedPackets;
  int32_t QueuedEvents;
  int32_t Routes;
  int32_t Mode;
  int32_t Connected;
  int32_t Enabled;
  /* Requests that were cancelled, and are kept all the same. */
  int32_t Kept;
  OVPN_VERSION Version;
  /* Where the socket is bound; zeros without one. */
  OVPN_ADDRESS Local;
  /* The device's instance, such as ROOT\NET\0000, UTF-16 with a NUL. */
  uint16_t Instance[64];
} SIMULATOR_STATE_REPLY;

/* The system has no ChaCha20-Poly1305 (Windows 10). */
#define SIMULATOR_NO_CHACHA20 1u
/* Requests are answered at once, and not after ERROR_IO_PENDING as the real driver's framework does. */
#define SIMULATOR_ANSWER_AT_ONCE 2u
/* A packet does not wake the read that waits for it, only the next packet does: the defect of up to 2.8.3 [4.4], there
 * at every packet that it could happen to. */
#define SIMULATOR_LOSE_WAKE_UPS 4u
/* A pended request that is cancelled does not end until SIMULATOR_RELEASE: no defect that the sheets tell of, but what
 * they say a client has to bear. */
#define SIMULATOR_KEEP_CANCELLED 8u

typedef struct {
  int32_t Adapter;
  OVPN_VERSION Version;
  uint32_t Flags;
} SIMULATOR_SETTINGS;

typedef struct {
  int32_t Adapter;
  int32_t Unused;
  OVPN_NOTIFY_EVENT Event;
} SIMULATOR_EVENT;

typedef struct {
  int32_t Adapter;
  /* An NTSTATUS. */
  int32_t Status;
} SIMULATOR_FAILURE;

typedef struct {
  int32_t Adapter;
  OVPN_ADDRESS From;
} SIMULATOR_PACKET;

typedef struct {
  int32_t Adapter;
  int32_t Enabled;
} SIMULATOR_SWITCH;

typedef struct {
  int32_t Adapter;
  int32_t Time;
} SIMULATOR_TIME;

typedef struct {
  int32_t Adapter;
  int32_t PeerId;
} SIMULATOR_PEER_QUERY;

typedef struct {
  int32_t Present;
  int32_t CipherAlg;
  int32_t KeyId;
  uint32_t CryptoOptions;
  OVPN_KEY_DIRECTION Encrypt;
  OVPN_KEY_DIRECTION Decrypt;
} SIMULATOR_KEY;

typedef struct {
  int32_t PeerId;
  OVPN_ADDRESS Remote;
  uint8_t VpnAddr4[4];
  uint8_t VpnAddr6[16];
  int32_t KeepaliveInterval;
  int32_t KeepaliveTimeout;
  int32_t MSS;
  SIMULATOR_KEY Keys[2];
} SIMULATOR_PEER_REPLY;

#define SIMULATOR_REQUEST_BYTES 128

/* A request as it came: for tests that compare bytes. Reads and writes have the codes below. */
typedef struct {
  uint32_t Code;
  uint32_t InLength;
  uint32_t OutLength;
  /* What it was answered with, or STATUS_PENDING if it was parked. */
  int32_t Status;
  uint8_t In[SIMULATOR_REQUEST_BYTES];
} SIMULATOR_REQUEST;

#define SIMULATOR_CODE_READ 1
#define SIMULATOR_CODE_WRITE 2

#endif
