/*
 * The insides of the SIMULATOR of ovpn-dco-win. It is no VPN driver: it has no network card and carries no traffic.
 * What it does is taken from facts about the real one, which are named in comments so:
 *   [measured]  the table "The real driver's answers", seen with driver 2.0.1
 *   [2.3]       a section of the fact sheet on ovpn-dco-win, read from its sources
 * Anything else is a choice of the simulator, and says so.
 */
#ifndef DCOKIT_SIMULATOR_H
#define DCOKIT_SIMULATOR_H

#include <ntddk.h>
#include "control.h"
#include "wire.h"

#define MAX_ADAPTERS 8
#define MAX_RECORDS 64
#define TAG 0x6f636464u /* "ddco" */

/* Statuses that mingw's headers lack, or that are better read beside the others. */
#ifndef STATUS_OBJECTID_EXISTS
#define STATUS_OBJECTID_EXISTS ((NTSTATUS)0xC000022B)
#endif
#ifndef STATUS_OBJECTID_NOT_FOUND
#define STATUS_OBJECTID_NOT_FOUND ((NTSTATUS)0xC00002F0)
#endif
#ifndef STATUS_ALREADY_INITIALIZED
#define STATUS_ALREADY_INITIALIZED ((NTSTATUS)0xC0000510)
#endif
#ifndef STATUS_INVALID_MESSAGE
#define STATUS_INVALID_MESSAGE ((NTSTATUS)0xC0000702)
#endif

typedef struct {
  LIST_ENTRY link;
  OVPN_ADDRESS from;
  ULONG length;
  UCHAR bytes[];
} PACKET;

typedef struct {
  LIST_ENTRY link;
  OVPN_NOTIFY_EVENT event;
} EVENT;

typedef struct {
  LIST_ENTRY link;
  OVPN_MP_IROUTE route;
} ROUTE;

typedef struct {
  LIST_ENTRY link;
  INT32 id;
  OVPN_ADDRESS remote;
  UCHAR vpn4[4];
  UCHAR vpn6[16];
  SIMULATOR_KEY keys[2];
  INT32 interval;
  INT32 timeout;
  INT32 mss;
  /* Of the clock of now_ms. */
  ULONGLONG sent_at;
  ULONGLONG received_at;
  OVPN_PEER_STATS stats;
} PEER;

/* What a device of this driver is, at the beginning of its extension. */
typedef enum { ADAPTER_DEVICE, VERSION_DEVICE, CONTROL_DEVICE } KIND;

/* One device node, as an adapter is of the real driver. Everything is guarded by the lock. */
typedef struct {
  KIND kind;
  DEVICE_OBJECT *self;
  DEVICE_OBJECT *lower;
  UNICODE_STRING path;
  WCHAR instance[64];

  FAST_MUTEX lock;
  BOOLEAN removed;
  BOOLEAN enabled;
  OVPN_VERSION version;
  ULONG flags;
  LONG handles;
  /* The handle that came first; the others are refused, see driver.c. */
  FILE_OBJECT *owner;

  INT32 mode;
  BOOLEAN connected;
  LIST_ENTRY peers;
  LIST_ENTRY routes;
  OVPN_STATS stats;
  LIST_ENTRY packets;
  LIST_ENTRY events;
  LIST_ENTRY reads;
  LIST_ENTRY notifications;
  /* NEW_PEER over TCP, at most one. */
  LIST_ENTRY connects;

  /* Cancelled ones, see SIMULATOR_KEEP_CANCELLED. */
  LIST_ENTRY kept;
  /* Milliseconds that the next close takes. */
  volatile LONG hold_close;

  /* Requests whose answer is on its way. */
  LIST_ENTRY answers;
  PIO_WORKITEM worker;
  BOOLEAN answering;

  WIRE *wire;
  OVPN_ADDRESS local;
  /* Threads of wires that are not quite over. */
  volatile LONG threads;

  KEVENT clock_stop;

  SIMULATOR_REQUEST records[MAX_RECORDS];
  ULONG recorded;
} ADAPTER;

/* A request of the protocol while it is served. */
typedef struct {
  IRP *irp;
  PVOID buffer;
  ULONG in;
  ULONG out;
  /* Bytes of the answer. */
  ULONG answer;
  /* Requests to complete once the lock is released. */
  LIST_ENTRY *done;
} REQUEST;

typedef NTSTATUS HANDLER(ADAPTER *adapter, REQUEST *request);

/* devices.c: the devices that are no adapters. */
NTSTATUS make_control_device(DRIVER_OBJECT *driver);
/* [1.3]: it is there while an adapter is started whose driver has it. */
void update_version_device(void);
void delete_devices(void);

/* pnp.c */
NTSTATUS NTAPI add_device(DRIVER_OBJECT *driver, DEVICE_OBJECT *physical);
NTSTATUS serve_pnp(ADAPTER *adapter, IRP *irp);
NTSTATUS pass_down(ADAPTER *adapter, IRP *irp);

/* adapters.c: those that are started. */
ADAPTER *adapter_at(LONG number);
LONG adapter_count(void);
void adapter_add(ADAPTER *adapter);
void adapter_remove(ADAPTER *adapter);
void adapter_init(ADAPTER *adapter);
/* The last handle is closed, or the device goes: [1.3]. With the lock held. */
void adapter_reset(ADAPTER *adapter, LIST_ENTRY *done);
/* Counts a new handle and a closed one. */
void adapter_open(ADAPTER *adapter, FILE_OBJECT *file);
void adapter_close(ADAPTER *adapter, FILE_OBJECT *file);
BOOLEAN at_least(const ADAPTER *adapter, INT32 major, INT32 minor, INT32 patch);
ULONGLONG now_ms(void);
void *allocate(SIZE_T size);
void release(void *memory);

/* pending.c: requests that wait. */
void pend(LIST_ENTRY *queue, IRP *irp, LIST_ENTRY *done);
IRP *take_pending(LIST_ENTRY *queue);
LONG count_list(const LIST_ENTRY *list);
/* Completes it when complete_all is called; with the lock held. */
void finish(LIST_ENTRY *done, IRP *irp, NTSTATUS status, ULONG_PTR information);
/* All that wait on a queue. */
void finish_pending(LIST_ENTRY *queue, LIST_ENTRY *done, NTSTATUS status);
/* What was kept although it was cancelled. */
void finish_kept(ADAPTER *adapter, LIST_ENTRY *done);
/* Without the lock. */
void complete_all(LIST_ENTRY *done);

/* requests.c: DeviceIoControl, ReadFile and WriteFile on an adapter. */
NTSTATUS serve(ADAPTER *adapter, IRP *irp);

/* peers.c */
PEER *find_peer(ADAPTER *adapter, INT32 id);
PEER *only_peer(ADAPTER *adapter);
PEER *make_peer(const OVPN_ADDRESS *remote);
void drop_peer(PEER *peer);
void drop_peers(ADAPTER *adapter);
void drop_routes(ADAPTER *adapter, const INT32 *of);
void drop_wire(ADAPTER *adapter);
BOOLEAN valid_family(const OVPN_ADDRESS *address);

/* p2p.c, multipeer.c, keys.c, statistics.c, events.c */
HANDLER new_peer, start_vpn, set_peer, del_peer, swap_keys;
HANDLER set_mode, mp_start_vpn, mp_new_peer, mp_set_peer, mp_del_peer, mp_swap_keys, mp_add_iroute, mp_del_iroute;
HANDLER new_key, new_key_v2, get_stats, get_peer_stats, get_version, notify_event;
void connect_ended(ADAPTER *adapter, ULONG error, LIST_ENTRY *done);
/* Queues it, or gives it to the request that waits. */
void emit(ADAPTER *adapter, const OVPN_NOTIFY_EVENT *event, LIST_ENTRY *done);
void emit_deletion(ADAPTER *adapter, INT32 id, INT32 reason, LIST_ENTRY *done);
void drop_events(ADAPTER *adapter);

/* packets.c: control packets. */
NTSTATUS serve_read(ADAPTER *adapter, IRP *irp, ULONG_PTR *given, LIST_ENTRY *done);
NTSTATUS serve_write(ADAPTER *adapter, IRP *irp, ULONG_PTR *sent);
void packet_came(ADAPTER *adapter, const OVPN_ADDRESS *from, const UCHAR *bytes, ULONG length, LIST_ENTRY *done);
void drop_packets(ADAPTER *adapter);

/* transport.c: sockets of adapters. */
NTSTATUS open_udp(ADAPTER *adapter, const OVPN_ADDRESS *local, BOOLEAN dual);
NTSTATUS open_tcp(ADAPTER *adapter, const OVPN_ADDRESS *local, const OVPN_ADDRESS *remote);
NTSTATUS status_of(ULONG error);

/* keepalive.c */
NTSTATUS start_clock(ADAPTER *adapter);
void stop_clock(ADAPTER *adapter);

/* control.c: what only tests use. */
NTSTATUS serve_control(IRP *irp);

#endif
