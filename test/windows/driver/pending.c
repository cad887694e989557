/* Requests that wait for something to happen, and can be cancelled meanwhile. */
#include "simulator.h"

static ADAPTER *adapter_of(IRP *irp) {
  return IoGetCurrentIrpStackLocation(irp)->DeviceObject->DeviceExtension;
}

static void cancel(DEVICE_OBJECT *device, IRP *irp) {
  UNREFERENCED_PARAMETER(device);
  IoReleaseCancelSpinLock(irp->CancelIrql);
  ADAPTER *adapter = adapter_of(irp);
  ExAcquireFastMutex(&adapter->lock);
  /* take_pending has made an empty list of it where it came first. */
  RemoveEntryList(&irp->Tail.Overlay.ListEntry);
  BOOLEAN kept = (adapter->flags & SIMULATOR_KEEP_CANCELLED) != 0;
  if (kept) InsertTailList(&adapter->kept, &irp->Tail.Overlay.ListEntry);
  ExReleaseFastMutex(&adapter->lock);
  if (kept) return;
  irp->IoStatus.Status = STATUS_CANCELLED;
  irp->IoStatus.Information = 0;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
}

/* The caller returns STATUS_PENDING. */
void pend(LIST_ENTRY *queue, IRP *irp, LIST_ENTRY *done) {
  IoMarkIrpPending(irp);
  InsertTailList(queue, &irp->Tail.Overlay.ListEntry);
  IoSetCancelRoutine(irp, cancel);
  if (!irp->Cancel || IoSetCancelRoutine(irp, NULL) == NULL) return;
  RemoveEntryList(&irp->Tail.Overlay.ListEntry);
  finish(done, irp, STATUS_CANCELLED, 0);
}

IRP *take_pending(LIST_ENTRY *queue) {
  while (!IsListEmpty(queue)) {
    IRP *irp = CONTAINING_RECORD(RemoveHeadList(queue), IRP, Tail.Overlay.ListEntry);
    if (IoSetCancelRoutine(irp, NULL) != NULL) return irp;
    /* It is being cancelled: that completes it. */
    InitializeListHead(&irp->Tail.Overlay.ListEntry);
  }
  return NULL;
}

void finish(LIST_ENTRY *done, IRP *irp, NTSTATUS status, ULONG_PTR information) {
  irp->IoStatus.Status = status;
  irp->IoStatus.Information = information;
  InsertTailList(done, &irp->Tail.Overlay.ListEntry);
}

void finish_pending(LIST_ENTRY *queue, LIST_ENTRY *done, NTSTATUS status) {
  IRP *irp;
  while ((irp = take_pending(queue)) != NULL) finish(done, irp, status, 0);
}

void finish_kept(ADAPTER *adapter, LIST_ENTRY *done) {
  while (!IsListEmpty(&adapter->kept)) {
    IRP *irp = CONTAINING_RECORD(RemoveHeadList(&adapter->kept), IRP, Tail.Overlay.ListEntry);
    finish(done, irp, STATUS_CANCELLED, 0);
  }
}

void complete_all(LIST_ENTRY *done) {
  while (!IsListEmpty(done)) {
    IRP *irp = CONTAINING_RECORD(RemoveHeadList(done), IRP, Tail.Overlay.ListEntry);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
  }
}

LONG count_list(const LIST_ENTRY *list) {
  LONG count = 0;
  for (const LIST_ENTRY *at = list->Flink; at != list; at = at->Flink) count++;
  return count;
}
