/* The devices that are no adapters: that of the version, and that of the tests. */
#include "simulator.h"

static DRIVER_OBJECT *driver;
static DEVICE_OBJECT *control_device;
static DEVICE_OBJECT *version_device;

#define CONTROL L"dcokit-simulator"
#define VERSION L"ovpn-dco-ver"

static NTSTATUS make(KIND kind, const WCHAR *device_name, const WCHAR *link_name, DEVICE_OBJECT **made) {
  UNICODE_STRING name, link;
  RtlInitUnicodeString(&name, device_name);
  RtlInitUnicodeString(&link, link_name);
  NTSTATUS status = IoCreateDevice(driver, sizeof(KIND), &name, FILE_DEVICE_UNKNOWN, 0, FALSE, made);
  if (!NT_SUCCESS(status)) return status;
  *(KIND *)(*made)->DeviceExtension = kind;
  status = IoCreateSymbolicLink(&link, &name);
  if (!NT_SUCCESS(status)) {
    IoDeleteDevice(*made);
    *made = NULL;
    return status;
  }
  (*made)->Flags &= ~DO_DEVICE_INITIALIZING;
  return STATUS_SUCCESS;
}

static void unmake(DEVICE_OBJECT **device, const WCHAR *link_name) {
  UNICODE_STRING link;
  if (!*device) return;
  RtlInitUnicodeString(&link, link_name);
  IoDeleteSymbolicLink(&link);
  IoDeleteDevice(*device);
  *device = NULL;
}

NTSTATUS make_control_device(DRIVER_OBJECT *of) {
  driver = of;
  return make(CONTROL_DEVICE, L"\\Device\\" CONTROL, L"\\DosDevices\\" CONTROL, &control_device);
}

void update_version_device(void) {
  const ADAPTER *adapter = adapter_at(0);
  /* [1.3] and [5.2]: from 1.3 on the 1.x line, from 2.4 on the other. */
  BOOLEAN wanted = adapter && adapter->enabled &&
                   (adapter->version.Major == 1 ? at_least(adapter, 1, 3, 0) : at_least(adapter, 2, 4, 0));
  if (wanted && !version_device)
    make(VERSION_DEVICE, L"\\Device\\" VERSION, L"\\DosDevices\\" VERSION, &version_device);
  else if (!wanted) unmake(&version_device, L"\\DosDevices\\" VERSION);
}

void delete_devices(void) {
  unmake(&version_device, L"\\DosDevices\\" VERSION);
  unmake(&control_device, L"\\DosDevices\\" CONTROL);
}
