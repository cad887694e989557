/* How adapters come and go: plug and play. */
#include "simulator.h"

/* GUID_DEVINTERFACE_NET [1.1]. Under Wine without the reference string "ovpn-dco", which it cannot enable. */
static const GUID interface_class = {0xcac88484, 0x7515, 0x4c03, {0x82, 0xe6, 0x71, 0xa8, 0x7a, 0xba, 0xc3, 0x61}};

static const OVPN_VERSION newest = {2, 8, 6};

NTSTATUS pass_down(ADAPTER *adapter, IRP *irp) {
  IoSkipCurrentIrpStackLocation(irp);
  return IoCallDriver(adapter->lower, irp);
}

static NTSTATUS NTAPI passed(DEVICE_OBJECT *device, IRP *irp, void *context) {
  UNREFERENCED_PARAMETER(device);
  if (irp->PendingReturned) KeSetEvent(context, IO_NO_INCREMENT, FALSE);
  return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS pass_down_and_wait(ADAPTER *adapter, IRP *irp) {
  KEVENT event;
  KeInitializeEvent(&event, NotificationEvent, FALSE);
  IoCopyCurrentIrpStackLocationToNext(irp);
  IoSetCompletionRoutine(irp, passed, &event, TRUE, TRUE, TRUE);
  NTSTATUS status = IoCallDriver(adapter->lower, irp);
  if (status != STATUS_PENDING) return status;
  KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
  return irp->IoStatus.Status;
}

/* 0x00020806 for 2.8.6, in the device's own registry key; the newest without one. */
static OVPN_VERSION configured_version(DEVICE_OBJECT *physical) {
  HANDLE key;
  if (!NT_SUCCESS(IoOpenDeviceRegistryKey(physical, PLUGPLAY_REGKEY_DEVICE, KEY_READ, &key))) return newest;
  UNICODE_STRING name;
  RtlInitUnicodeString(&name, L"SimulatedVersion");
  struct {
    KEY_VALUE_PARTIAL_INFORMATION head;
    UCHAR rest[16];
  } value;
  ULONG length;
  NTSTATUS status = ZwQueryValueKey(key, &name, KeyValuePartialInformation, &value, sizeof(value), &length);
  ZwClose(key);
  if (!NT_SUCCESS(status) || value.head.Type != REG_DWORD) return newest;
  ULONG packed = *(ULONG *)value.head.Data;
  return (OVPN_VERSION){(INT32)(packed >> 16), (INT32)(packed >> 8 & 0xff), (INT32)(packed & 0xff)};
}

/* From \??\ROOT#NET#0000#{...} to ROOT\NET\0000. */
static void name_instance(ADAPTER *adapter) {
  const UNICODE_STRING *from = &adapter->path;
  ULONG at = 0;
  for (ULONG i = 4; i < from->Length / sizeof(WCHAR) && at < ARRAYSIZE(adapter->instance) - 1; i++) {
    WCHAR c = from->Buffer[i];
    if (c == L'#' && from->Buffer[i + 1] == L'{') break;
    adapter->instance[at++] = c == L'#' ? L'\\' : c;
  }
}

NTSTATUS NTAPI add_device(DRIVER_OBJECT *driver, DEVICE_OBJECT *physical) {
  DEVICE_OBJECT *device;
  NTSTATUS status = IoCreateDevice(driver, sizeof(ADAPTER), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
  if (!NT_SUCCESS(status)) return status;
  ADAPTER *adapter = device->DeviceExtension;
  RtlZeroMemory(adapter, sizeof(*adapter));
  adapter->kind = ADAPTER_DEVICE;
  adapter->self = device;
  adapter_init(adapter);
  adapter->version = configured_version(physical);
  status = IoRegisterDeviceInterface(physical, &interface_class, NULL, &adapter->path);
  if (!NT_SUCCESS(status)) {
    IoDeleteDevice(device);
    return status;
  }
  adapter->worker = IoAllocateWorkItem(device);
  if (!adapter->worker) {
    IoDeleteDevice(device);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  name_instance(adapter);
  adapter->lower = IoAttachDeviceToDeviceStack(device, physical);
  device->Flags |= DO_BUFFERED_IO;
  device->Flags &= ~DO_DEVICE_INITIALIZING;
  return STATUS_SUCCESS;
}

static NTSTATUS start(ADAPTER *adapter) {
  NTSTATUS status = start_clock(adapter);
  if (!NT_SUCCESS(status)) return status;
  adapter->enabled = TRUE;
  adapter_add(adapter);
  update_version_device();
  return IoSetDeviceInterfaceState(&adapter->path, TRUE);
}

/* Everything that waits ends; what comes later is refused with "the device is gone" [4.9]. */
static void stop(ADAPTER *adapter) {
  LIST_ENTRY done;
  InitializeListHead(&done);
  ExAcquireFastMutex(&adapter->lock);
  BOOLEAN first = !adapter->removed;
  adapter->removed = TRUE;
  adapter_reset(adapter, &done);
  ExReleaseFastMutex(&adapter->lock);
  complete_all(&done);
  if (!first) return;
  IoSetDeviceInterfaceState(&adapter->path, FALSE);
  stop_clock(adapter);
  adapter_remove(adapter);
  update_version_device();
}

static void wait_for_threads(ADAPTER *adapter) {
  LARGE_INTEGER wait = {.QuadPart = -10000LL * 10};
  while (InterlockedCompareExchange(&adapter->threads, 0, 0) > 0)
    KeDelayExecutionThread(KernelMode, FALSE, &wait);
}

NTSTATUS serve_pnp(ADAPTER *adapter, IRP *irp) {
  NTSTATUS status;
  switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
  case IRP_MN_START_DEVICE:
    status = pass_down_and_wait(adapter, irp);
    if (NT_SUCCESS(status)) status = start(adapter);
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
  case IRP_MN_SURPRISE_REMOVAL:
    stop(adapter);
    irp->IoStatus.Status = STATUS_SUCCESS;
    return pass_down(adapter, irp);
  case IRP_MN_REMOVE_DEVICE: {
    stop(adapter);
    wait_for_threads(adapter);
    irp->IoStatus.Status = STATUS_SUCCESS;
    DEVICE_OBJECT *lower = adapter->lower;
    status = pass_down(adapter, irp);
    IoFreeWorkItem(adapter->worker);
    RtlFreeUnicodeString(&adapter->path);
    IoDetachDevice(lower);
    IoDeleteDevice(adapter->self);
    return status;
  }
  default:
    return pass_down(adapter, irp);
  }
}
