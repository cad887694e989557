/* Where Windows, or Wine, comes in. A SIMULATOR: see README.md. */
#include "simulator.h"

static NTSTATUS complete(IRP *irp, NTSTATUS status) {
  irp->IoStatus.Status = status;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
  return status;
}

/* [1.3]: everybody's, and only GET_VERSION works. The caller completes the request. */
static NTSTATUS serve_version(IRP *irp) {
  IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
  const ADAPTER *adapter = adapter_at(0);
  irp->IoStatus.Information = 0;
  if (!adapter || stack->Parameters.DeviceIoControl.IoControlCode != OVPN_IOCTL_GET_VERSION)
    return STATUS_INVALID_DEVICE_REQUEST;
  if (stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(OVPN_VERSION)) return STATUS_BUFFER_TOO_SMALL;
  *(OVPN_VERSION *)irp->AssociatedIrp.SystemBuffer = adapter->version;
  irp->IoStatus.Information = sizeof(OVPN_VERSION);
  return STATUS_SUCCESS;
}

static NTSTATUS NTAPI dispatch(DEVICE_OBJECT *device, IRP *irp) {
  KIND kind = *(KIND *)device->DeviceExtension;
  ADAPTER *adapter = kind == ADAPTER_DEVICE ? device->DeviceExtension : NULL;
  IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
  switch (stack->MajorFunction) {
  case IRP_MJ_CREATE:
    if (adapter) adapter_open(adapter, stack->FileObject);
    irp->IoStatus.Information = 0;
    return complete(irp, STATUS_SUCCESS);
  case IRP_MJ_CLEANUP:
    return complete(irp, STATUS_SUCCESS);
  case IRP_MJ_CLOSE:
    if (adapter) adapter_close(adapter, stack->FileObject);
    return complete(irp, STATUS_SUCCESS);
  case IRP_MJ_READ:
  case IRP_MJ_WRITE:
    return adapter ? serve(adapter, irp) : complete(irp, STATUS_INVALID_DEVICE_REQUEST);
  case IRP_MJ_DEVICE_CONTROL:
    if (adapter) return serve(adapter, irp);
    return complete(irp, kind == VERSION_DEVICE ? serve_version(irp) : serve_control(irp));
  case IRP_MJ_PNP:
    return adapter ? serve_pnp(adapter, irp) : complete(irp, STATUS_INVALID_DEVICE_REQUEST);
  default:
    return adapter ? pass_down(adapter, irp) : complete(irp, STATUS_INVALID_DEVICE_REQUEST);
  }
}

static void NTAPI unload(DRIVER_OBJECT *driver) {
  UNREFERENCED_PARAMETER(driver);
  delete_devices();
}

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path) {
  UNREFERENCED_PARAMETER(path);
  driver->DriverExtension->AddDevice = add_device;
  driver->DriverUnload = unload;
  for (ULONG major = 0; major <= IRP_MJ_MAXIMUM_FUNCTION; major++) driver->MajorFunction[major] = dispatch;
  return make_control_device(driver);
}
