/* Which request there is in which version and mode, how many bytes it takes and gives, and who serves it. */
#include "simulator.h"

#define P2P 1
#define MP 2
#define BOTH (P2P | MP)

/* The table of section 2.1: code, bytes in and out, modes, first version. 2.4.0 is 2.4; 2.5 stands for "between 2.4.0
 * and 2.5.x". */
static const struct {
  ULONG code;
  ULONG in;
  ULONG out;
  ULONG modes;
  struct {
    INT32 major, minor, patch;
  } since;
  HANDLER *handler;
} table[] = {
    {OVPN_IOCTL_NEW_PEER, sizeof(OVPN_NEW_PEER), 0, P2P, {0, 2, 0}, new_peer},
    {OVPN_IOCTL_GET_STATS, 0, sizeof(OVPN_STATS), BOTH, {0, 2, 0}, get_stats},
    {OVPN_IOCTL_NEW_KEY, sizeof(OVPN_CRYPTO_DATA), 0, BOTH, {0, 2, 0}, new_key},
    {OVPN_IOCTL_SWAP_KEYS, 0, 0, P2P, {0, 2, 0}, swap_keys},
    {OVPN_IOCTL_SET_PEER, sizeof(OVPN_SET_PEER), 0, P2P, {0, 2, 0}, set_peer},
    {OVPN_IOCTL_START_VPN, 0, 0, P2P, {0, 2, 0}, start_vpn},
    {OVPN_IOCTL_DEL_PEER, 0, 0, P2P, {0, 8, 0}, del_peer},
    {OVPN_IOCTL_GET_VERSION, 0, sizeof(OVPN_VERSION), BOTH, {1, 0, 0}, get_version},
    {OVPN_IOCTL_NEW_KEY_V2, sizeof(OVPN_CRYPTO_DATA_V2), 0, BOTH, {2, 4, 0}, new_key_v2},
    {OVPN_IOCTL_SET_MODE, sizeof(OVPN_SET_MODE), 0, BOTH, {2, 4, 0}, set_mode},
    {OVPN_IOCTL_MP_START_VPN, sizeof(OVPN_MP_START_VPN), sizeof(OVPN_MP_START_VPN), MP, {2, 4, 0}, mp_start_vpn},
    {OVPN_IOCTL_MP_NEW_PEER, sizeof(OVPN_MP_NEW_PEER), 0, MP, {2, 4, 0}, mp_new_peer},
    {OVPN_IOCTL_MP_SET_PEER, sizeof(OVPN_MP_SET_PEER), 0, MP, {2, 5, 0}, mp_set_peer},
    {OVPN_IOCTL_NOTIFY_EVENT, 0, 0, BOTH, {2, 5, 0}, notify_event},
    /* [2.3, mode check]: these four are not seen to be refused in P2P mode. */
    {OVPN_IOCTL_MP_DEL_PEER, sizeof(OVPN_MP_DEL_PEER), 0, BOTH, {2, 5, 0}, mp_del_peer},
    {OVPN_IOCTL_MP_SWAP_KEYS, sizeof(OVPN_MP_SWAP_KEYS), 0, BOTH, {2, 5, 0}, mp_swap_keys},
    {OVPN_IOCTL_MP_ADD_IROUTE, sizeof(OVPN_MP_IROUTE), 0, BOTH, {2, 5, 0}, mp_add_iroute},
    {OVPN_IOCTL_MP_DEL_IROUTE, sizeof(OVPN_MP_IROUTE), 0, BOTH, {2, 5, 0}, mp_del_iroute},
    {OVPN_IOCTL_GET_PEER_STATS, sizeof(OVPN_GET_PEER_STATS), 0, BOTH, {2, 7, 0}, get_peer_stats},
};

static BOOLEAN has(const ADAPTER *adapter, ULONG row) {
  /* [2.1]: on the 1.x line NEW_KEY_V2 came with 1.4.0. */
  if (table[row].code == OVPN_IOCTL_NEW_KEY_V2 && adapter->version.Major == 1) return at_least(adapter, 1, 4, 0);
  return at_least(adapter, table[row].since.major, table[row].since.minor, table[row].since.patch);
}

/* In the order of the checks; which of mode and length comes first is a choice of the simulator. */
static NTSTATUS serve_control_request(ADAPTER *adapter, ULONG code, REQUEST *request) {
  for (ULONG row = 0; row < ARRAYSIZE(table); row++) {
    if (table[row].code != code) continue;
    if (!has(adapter, row)) break;
    /* [2.3, mode check] */
    if (!(table[row].modes & (adapter->mode == OVPN_MODE_MP ? MP : P2P))) return STATUS_INVALID_DEVICE_STATE;
    ULONG in = table[row].in;
    /* [3.2]: the struct had no IPv6Only in 2.4.0. */
    if (code == OVPN_IOCTL_MP_START_VPN && !at_least(adapter, 2, 5, 0)) in = sizeof(OVPN_ADDRESS);
    /* [measured]: 122. Longer ones are taken [2.2]. */
    if (request->in < in) return STATUS_BUFFER_TOO_SMALL;
    /* MP_START_VPN tells it later, with the socket open. */
    if (request->out < table[row].out && code != OVPN_IOCTL_MP_START_VPN) return STATUS_BUFFER_TOO_SMALL;
    return table[row].handler(adapter, request);
  }
  /* [measured]: 1 */
  return STATUS_INVALID_DEVICE_REQUEST;
}

static void record(ADAPTER *adapter, ULONG code, const REQUEST *request) {
  SIMULATOR_REQUEST *at = &adapter->records[adapter->recorded++ % MAX_RECORDS];
  RtlZeroMemory(at, sizeof(*at));
  at->Code = code;
  at->InLength = request->in;
  at->OutLength = request->out;
  if (request->in) RtlCopyMemory(at->In, request->buffer, min(request->in, SIMULATOR_REQUEST_BYTES));
}

static NTSTATUS serve_locked(ADAPTER *adapter, UCHAR major, ULONG code, REQUEST *request) {
  /* [2.2]: the queue is stopped while the device goes. */
  if (adapter->removed || !adapter->enabled) return STATUS_INVALID_DEVICE_STATE;
  /* [1.3]: a second handle is refused when it is opened. Wine opens it all the same, so it is refused here. */
  if (IoGetCurrentIrpStackLocation(request->irp)->FileObject != adapter->owner) return STATUS_ACCESS_DENIED;
  ULONG_PTR given = 0;
  NTSTATUS status;
  if (major == IRP_MJ_READ) status = serve_read(adapter, request->irp, &given, request->done);
  else if (major == IRP_MJ_WRITE) status = serve_write(adapter, request->irp, &given);
  else return serve_control_request(adapter, code, request);
  request->answer = (ULONG)given;
  return status;
}

static void NTAPI answer(DEVICE_OBJECT *device, void *context) {
  UNREFERENCED_PARAMETER(device);
  ADAPTER *adapter = context;
  LIST_ENTRY done;
  InitializeListHead(&done);
  ExAcquireFastMutex(&adapter->lock);
  adapter->answering = FALSE;
  while (!IsListEmpty(&adapter->answers)) InsertTailList(&done, RemoveHeadList(&adapter->answers));
  ExReleaseFastMutex(&adapter->lock);
  complete_all(&done);
  InterlockedDecrement(&adapter->threads);
}

/* Completes the answers in their order, on another thread: so they come at any moment, and not always before the caller
 * looks at them. */
static void answer_soon(ADAPTER *adapter) {
  if (adapter->answering) return;
  adapter->answering = TRUE;
  InterlockedIncrement(&adapter->threads);
  IoQueueWorkItem(adapter->worker, answer, DelayedWorkQueue, adapter);
}

NTSTATUS serve(ADAPTER *adapter, IRP *irp) {
  IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
  LIST_ENTRY done;
  InitializeListHead(&done);
  REQUEST request = {.irp = irp, .buffer = irp->AssociatedIrp.SystemBuffer, .done = &done};
  ULONG code = stack->MajorFunction == IRP_MJ_READ ? SIMULATOR_CODE_READ : SIMULATOR_CODE_WRITE;
  if (stack->MajorFunction == IRP_MJ_READ) {
    request.out = stack->Parameters.Read.Length;
  } else if (stack->MajorFunction == IRP_MJ_WRITE) {
    request.in = stack->Parameters.Write.Length;
  } else {
    code = stack->Parameters.DeviceIoControl.IoControlCode;
    request.in = stack->Parameters.DeviceIoControl.InputBufferLength;
    request.out = stack->Parameters.DeviceIoControl.OutputBufferLength;
  }
  ExAcquireFastMutex(&adapter->lock);
  /* Before it is served: the answer overwrites the request. */
  record(adapter, code, &request);
  NTSTATUS status = serve_locked(adapter, stack->MajorFunction, code, &request);
  adapter->records[(adapter->recorded - 1) % MAX_RECORDS].Status = status;
  irp->IoStatus.Status = status;
  irp->IoStatus.Information = request.answer;
  /* [2.2]: the real driver's framework marks every request as pending, even one that is answered at once. */
  BOOLEAN at_once = status != STATUS_PENDING && (adapter->flags & SIMULATOR_ANSWER_AT_ONCE);
  if (status != STATUS_PENDING && !at_once) {
    IoMarkIrpPending(irp);
    InsertTailList(&adapter->answers, &irp->Tail.Overlay.ListEntry);
    answer_soon(adapter);
  }
  ExReleaseFastMutex(&adapter->lock);
  if (at_once) IoCompleteRequest(irp, IO_NO_INCREMENT);
  complete_all(&done);
  return at_once ? status : STATUS_PENDING;
}
