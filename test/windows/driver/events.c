/* NOTIFY_EVENT: what the driver tells by itself. */
#include "simulator.h"

/* [3.2]: 12 bytes before FLOAT_PEER came with 2.6. */
static ULONG event_size(const ADAPTER *adapter) {
  return at_least(adapter, 2, 6, 0) ? sizeof(OVPN_NOTIFY_EVENT) : FIELD_OFFSET(OVPN_NOTIFY_EVENT, DelPeerReason) + 4;
}

/* [2.3, NOTIFY_EVENT]: an event that finds too small a buffer is gone. */
static NTSTATUS answer(const ADAPTER *adapter, const OVPN_NOTIFY_EVENT *event, void *buffer, ULONG length,
                       ULONG *answered) {
  ULONG size = event_size(adapter);
  if (length < size) return STATUS_BUFFER_TOO_SMALL;
  RtlCopyMemory(buffer, event, size);
  *answered = size;
  return STATUS_SUCCESS;
}

NTSTATUS notify_event(ADAPTER *adapter, REQUEST *request) {
  if (IsListEmpty(&adapter->events)) {
    pend(&adapter->notifications, request->irp, request->done);
    return STATUS_PENDING;
  }
  EVENT *queued = CONTAINING_RECORD(RemoveHeadList(&adapter->events), EVENT, link);
  NTSTATUS status = answer(adapter, &queued->event, request->buffer, request->out, &request->answer);
  release(queued);
  return status;
}

void emit(ADAPTER *adapter, const OVPN_NOTIFY_EVENT *event, LIST_ENTRY *done) {
  IRP *irp = take_pending(&adapter->notifications);
  if (irp) {
    ULONG length = IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.OutputBufferLength;
    ULONG answered = 0;
    NTSTATUS status = answer(adapter, event, irp->AssociatedIrp.SystemBuffer, length, &answered);
    finish(done, irp, status, answered);
    return;
  }
  EVENT *queued = allocate(sizeof(*queued));
  if (!queued) return;
  queued->event = *event;
  InsertTailList(&adapter->events, &queued->link);
}

void emit_deletion(ADAPTER *adapter, INT32 id, INT32 reason, LIST_ENTRY *done) {
  OVPN_NOTIFY_EVENT event = {.Cmd = OVPN_CMD_DEL_PEER, .PeerId = id, .DelPeerReason = reason};
  emit(adapter, &event, done);
}

void drop_events(ADAPTER *adapter) {
  while (!IsListEmpty(&adapter->events))
    release(CONTAINING_RECORD(RemoveHeadList(&adapter->events), EVENT, link));
}
