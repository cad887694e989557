/* What only tests use: they look into the simulator, and make happen what otherwise takes a network or minutes. */
#include "simulator.h"

typedef NTSTATUS CONTROL(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done);

static NTSTATUS tell_state(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(done);
  SIMULATOR_STATE_REPLY state = {
      .Adapters = adapter_count(),
      .OpenHandles = adapter->handles,
      .PendingReads = count_list(&adapter->reads),
      .PendingAnswers = count_list(&adapter->answers),
      .PendingNotifications = count_list(&adapter->notifications),
      .PendingConnects = count_list(&adapter->connects),
      .Peers = count_list(&adapter->peers),
      .Sockets = adapter->wire != NULL,
      /* But for the clock's. */
      .Threads = adapter->threads - 1,
      .QueuedPackets = count_list(&adapter->packets),
      .QueuedEvents = count_list(&adapter->events),
      .Routes = count_list(&adapter->routes),
      .Mode = adapter->mode,
      .Connected = adapter->connected,
      .Enabled = adapter->enabled,
      .Kept = count_list(&adapter->kept),
      .Version = adapter->version,
      .Local = adapter->local,
  };
  RtlCopyMemory(state.Instance, adapter->instance, sizeof(state.Instance));
  *(SIMULATOR_STATE_REPLY *)buffer = state;
  *answer = sizeof(state);
  return STATUS_SUCCESS;
}

static NTSTATUS configure(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(answer);
  UNREFERENCED_PARAMETER(done);
  const SIMULATOR_SETTINGS *given = buffer;
  if (adapter->handles) return STATUS_SHARING_VIOLATION;
  adapter->version = given->Version;
  adapter->flags = given->Flags;
  update_version_device();
  return STATUS_SUCCESS;
}

static NTSTATUS emit_event(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(answer);
  emit(adapter, &((SIMULATOR_EVENT *)buffer)->Event, done);
  return STATUS_SUCCESS;
}

static NTSTATUS fail_read(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(answer);
  IRP *irp = take_pending(&adapter->reads);
  if (!irp) return STATUS_NOT_FOUND;
  finish(done, irp, ((SIMULATOR_FAILURE *)buffer)->Status, 0);
  return STATUS_SUCCESS;
}

static NTSTATUS receive(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(answer);
  const SIMULATOR_PACKET *given = buffer;
  packet_came(adapter, &given->From, (const UCHAR *)(given + 1), in - sizeof(*given), done);
  return STATUS_SUCCESS;
}

/* [4.9]: pended requests end with 995, later ones with 22; a new handle begins anew. */
static NTSTATUS enable(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(answer);
  adapter->enabled = ((SIMULATOR_SWITCH *)buffer)->Enabled != 0;
  if (!adapter->enabled) adapter_reset(adapter, done);
  update_version_device();
  return IoSetDeviceInterfaceState(&adapter->path, adapter->enabled);
}

static NTSTATUS tell_peer(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(done);
  INT32 id = ((SIMULATOR_PEER_QUERY *)buffer)->PeerId;
  const PEER *peer = adapter->mode == OVPN_MODE_MP ? find_peer(adapter, id) : only_peer(adapter);
  if (!peer) return STATUS_NOT_FOUND;
  SIMULATOR_PEER_REPLY *reply = buffer;
  RtlZeroMemory(reply, sizeof(*reply));
  reply->PeerId = peer->id;
  reply->Remote = peer->remote;
  RtlCopyMemory(reply->VpnAddr4, peer->vpn4, sizeof(peer->vpn4));
  RtlCopyMemory(reply->VpnAddr6, peer->vpn6, sizeof(peer->vpn6));
  reply->KeepaliveInterval = peer->interval;
  reply->KeepaliveTimeout = peer->timeout;
  reply->MSS = peer->mss;
  reply->Keys[0] = peer->keys[0];
  reply->Keys[1] = peer->keys[1];
  *answer = sizeof(*reply);
  return STATUS_SUCCESS;
}

static NTSTATUS tell_requests(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(done);
  ULONG count = min(adapter->recorded, min(MAX_RECORDS, out / sizeof(SIMULATOR_REQUEST)));
  SIMULATOR_REQUEST *to = buffer;
  for (ULONG i = adapter->recorded - count; i < adapter->recorded; i++) *to++ = adapter->records[i % MAX_RECORDS];
  *answer = count * sizeof(SIMULATOR_REQUEST);
  adapter->recorded = 0;
  return STATUS_SUCCESS;
}

static NTSTATUS hold_close(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(answer);
  UNREFERENCED_PARAMETER(done);
  InterlockedExchange(&adapter->hold_close, ((SIMULATOR_TIME *)buffer)->Time);
  return STATUS_SUCCESS;
}

/* [4.9]: nothing happens while the system sleeps, and the clock has gone on when it wakes. */
static NTSTATUS sleep(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(answer);
  UNREFERENCED_PARAMETER(done);
  ULONGLONG slept = 1000ULL * (ULONG)((SIMULATOR_TIME *)buffer)->Time;
  for (LIST_ENTRY *at = adapter->peers.Flink; at != &adapter->peers; at = at->Flink) {
    PEER *peer = CONTAINING_RECORD(at, PEER, link);
    peer->sent_at -= slept;
    peer->received_at -= slept;
  }
  return STATUS_SUCCESS;
}

static NTSTATUS release_kept(ADAPTER *adapter, void *buffer, ULONG in, ULONG out, ULONG *answer, LIST_ENTRY *done) {
  UNREFERENCED_PARAMETER(buffer);
  UNREFERENCED_PARAMETER(in);
  UNREFERENCED_PARAMETER(out);
  UNREFERENCED_PARAMETER(answer);
  finish_kept(adapter, done);
  return STATUS_SUCCESS;
}

static const struct {
  ULONG code;
  ULONG in;
  ULONG out;
  CONTROL *control;
} table[] = {
    {SIMULATOR_STATE, sizeof(INT32), sizeof(SIMULATOR_STATE_REPLY), tell_state},
    {SIMULATOR_CONFIGURE, sizeof(SIMULATOR_SETTINGS), 0, configure},
    {SIMULATOR_EMIT_EVENT, sizeof(SIMULATOR_EVENT), 0, emit_event},
    {SIMULATOR_FAIL_READ, sizeof(SIMULATOR_FAILURE), 0, fail_read},
    {SIMULATOR_RECEIVE, sizeof(SIMULATOR_PACKET), 0, receive},
    {SIMULATOR_ENABLE, sizeof(SIMULATOR_SWITCH), 0, enable},
    {SIMULATOR_PEER, sizeof(SIMULATOR_PEER_QUERY), sizeof(SIMULATOR_PEER_REPLY), tell_peer},
    {SIMULATOR_REQUESTS, sizeof(INT32), sizeof(SIMULATOR_REQUEST), tell_requests},
    {SIMULATOR_HOLD_CLOSE, sizeof(SIMULATOR_TIME), 0, hold_close},
    {SIMULATOR_SLEEP, sizeof(SIMULATOR_TIME), 0, sleep},
    {SIMULATOR_RELEASE, sizeof(INT32), 0, release_kept},
};

/* The caller completes the request. */
NTSTATUS serve_control(IRP *irp) {
  IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
  ULONG in = stack->Parameters.DeviceIoControl.InputBufferLength;
  ULONG out = stack->Parameters.DeviceIoControl.OutputBufferLength;
  void *buffer = irp->AssociatedIrp.SystemBuffer;
  irp->IoStatus.Information = 0;
  for (ULONG row = 0; row < ARRAYSIZE(table); row++) {
    if (table[row].code != stack->Parameters.DeviceIoControl.IoControlCode) continue;
    if (in < table[row].in || out < table[row].out) return STATUS_BUFFER_TOO_SMALL;
    ADAPTER *adapter = adapter_at(*(INT32 *)buffer);
    if (!adapter) return STATUS_NO_SUCH_DEVICE;
    LIST_ENTRY done;
    InitializeListHead(&done);
    ULONG answer = 0;
    ExAcquireFastMutex(&adapter->lock);
    NTSTATUS status = table[row].control(adapter, buffer, in, out, &answer, &done);
    ExReleaseFastMutex(&adapter->lock);
    complete_all(&done);
    irp->IoStatus.Information = answer;
    return status;
  }
  return STATUS_INVALID_DEVICE_REQUEST;
}
