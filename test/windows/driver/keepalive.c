/* The clock of keepalive: a thread for each adapter that looks once a second. */
#include "simulator.h"

#define TICK_MS 1000

/* [4.5]: whole seconds, compared with "greater than". */
static BOOLEAN over(ULONGLONG since, INT32 seconds) {
  return seconds > 0 && (LONGLONG)((now_ms() - since) / 1000) > seconds;
}

/* [4.5], [measured]: one pended read ends with 64; without one it is tried again at every tick. Then the timeout is off. */
static void expire_only(ADAPTER *adapter, PEER *peer, LIST_ENTRY *done) {
  IRP *irp = take_pending(&adapter->reads);
  if (!irp) return;
  peer->timeout = 0;
  finish(done, irp, STATUS_CONNECTION_DISCONNECTED, 0);
}

static void expire(ADAPTER *adapter, PEER *peer, LIST_ENTRY *done) {
  INT32 id = peer->id;
  drop_routes(adapter, &id);
  drop_peer(peer);
  emit_deletion(adapter, id, OVPN_DEL_PEER_REASON_EXPIRED, done);
}

static void tick(ADAPTER *adapter, LIST_ENTRY *done) {
  LIST_ENTRY *at = adapter->peers.Flink;
  while (at != &adapter->peers) {
    PEER *peer = CONTAINING_RECORD(at, PEER, link);
    at = at->Flink;
    if (!over(peer->received_at, peer->timeout)) continue;
    if (adapter->mode == OVPN_MODE_MP) expire(adapter, peer, done);
    else expire_only(adapter, peer, done);
  }
}

static void run_clock(void *context) {
  ADAPTER *adapter = context;
  LARGE_INTEGER wait = {.QuadPart = -10000LL * TICK_MS};
  while (KeWaitForSingleObject(&adapter->clock_stop, Executive, KernelMode, FALSE, &wait) == STATUS_TIMEOUT) {
    LIST_ENTRY done;
    InitializeListHead(&done);
    ExAcquireFastMutex(&adapter->lock);
    tick(adapter, &done);
    ExReleaseFastMutex(&adapter->lock);
    complete_all(&done);
  }
  InterlockedDecrement(&adapter->threads);
  wire_end_thread();
}

NTSTATUS start_clock(ADAPTER *adapter) {
  KeInitializeEvent(&adapter->clock_stop, NotificationEvent, FALSE);
  InterlockedIncrement(&adapter->threads);
  if (wire_begin_thread(run_clock, adapter)) return STATUS_SUCCESS;
  InterlockedDecrement(&adapter->threads);
  return STATUS_INSUFFICIENT_RESOURCES;
}

void stop_clock(ADAPTER *adapter) { KeSetEvent(&adapter->clock_stop, IO_NO_INCREMENT, FALSE); }
