/*
 * Installs the simulator as plug and play devices, as a driver's installer does, and stays until it is ended: Wine stops
 * its services with the last program.
 *
 *   install.exe INF COUNT READY     makes COUNT adapters, then creates the file READY
 *   install.exe remove INSTANCE     removes an adapter, such as ROOT\NET\0001, and ends
 *   install.exe add INF NUMBER      adds the adapter with this number, and ends
 */
#include <windows.h>
#include <setupapi.h>
#include <newdev.h>
#include <stdio.h>
#include <wchar.h>

static const GUID net_class = {0x4d36e972, 0xe325, 0x11ce, {0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}};
/* A list of strings: it ends with two NULs. */
static const WCHAR hardware_id[] = L"ovpn-dco\0";

static int fail(const char *what) {
  fprintf(stderr, "install: %s: error %lu\n", what, GetLastError());
  return 1;
}

static BOOL set_text(HKEY key, const WCHAR *name, const WCHAR *value) {
  return RegSetValueExW(key, name, 0, REG_SZ, (const BYTE *)value, (DWORD)((wcslen(value) + 1) * sizeof(WCHAR))) == 0;
}

/* What Windows' own installer of the class writes, and Wine has none. */
static BOOL describe(HDEVINFO set, SP_DEVINFO_DATA *device, DWORD number) {
  WCHAR guid[40], path[200], name[64];
  swprintf(guid, 40, L"{dc0dc0dc-0000-4000-8000-%012lx}", number + 1);
  HKEY key = SetupDiCreateDevRegKeyW(set, device, DICS_FLAG_GLOBAL, 0, DIREG_DRV, NULL, NULL);
  if (key == INVALID_HANDLE_VALUE) return FALSE;
  DWORD index = 0x8000 + number;
  BOOL done = set_text(key, L"NetCfgInstanceId", guid) && set_text(key, L"ComponentId", L"ovpn-dco") &&
              RegSetValueExW(key, L"NetLuidIndex", 0, REG_DWORD, (BYTE *)&index, sizeof(index)) == 0;
  RegCloseKey(key);
  if (!done) return FALSE;
  swprintf(path, 200,
           L"SYSTEM\\CurrentControlSet\\Control\\Network\\{4D36E972-E325-11CE-BFC1-08002BE10318}\\%ls\\Connection", guid);
  if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, path, 0, NULL, 0, KEY_WRITE, NULL, &key, NULL) != 0) return FALSE;
  if (number == 0) swprintf(name, 64, L"OpenVPN Data Channel Offload");
  else swprintf(name, 64, L"OpenVPN Data Channel Offload #%lu", number + 1);
  done = set_text(key, L"Name", name);
  RegCloseKey(key);
  return done;
}

static int add_device(DWORD number) {
  HDEVINFO set = SetupDiCreateDeviceInfoList(&net_class, NULL);
  if (set == INVALID_HANDLE_VALUE) return fail("SetupDiCreateDeviceInfoList");
  SP_DEVINFO_DATA device = {.cbSize = sizeof(device)};
  if (!SetupDiCreateDeviceInfoW(set, L"Net", &net_class, NULL, NULL, DICD_GENERATE_ID, &device))
    return fail("SetupDiCreateDeviceInfo");
  if (!SetupDiSetDeviceRegistryPropertyW(set, &device, SPDRP_HARDWAREID, (const BYTE *)hardware_id, sizeof(hardware_id)))
    return fail("SetupDiSetDeviceRegistryProperty");
  if (!SetupDiCallClassInstaller(DIF_REGISTERDEVICE, set, &device)) return fail("DIF_REGISTERDEVICE");
  if (!describe(set, &device, number)) return fail("the adapter's registry");
  SetupDiDestroyDeviceInfoList(set);
  return 0;
}

static int remove_device(const WCHAR *instance) {
  HDEVINFO set = SetupDiCreateDeviceInfoList(&net_class, NULL);
  SP_DEVINFO_DATA device = {.cbSize = sizeof(device)};
  if (!SetupDiOpenDeviceInfoW(set, instance, NULL, 0, &device)) return fail("SetupDiOpenDeviceInfo");
  if (!SetupDiCallClassInstaller(DIF_REMOVE, set, &device)) return fail("DIF_REMOVE");
  SetupDiDestroyDeviceInfoList(set);
  return 0;
}

/* Gives the driver to all devices that want it. */
static int install_driver(const WCHAR *path) {
  WCHAR inf[MAX_PATH];
  if (!GetFullPathNameW(path, MAX_PATH, inf, NULL)) return fail("the path of the INF file");
  if (!SetupCopyOEMInfW(inf, NULL, SPOST_PATH, 0, NULL, 0, NULL, NULL)) return fail("SetupCopyOEMInf");
  BOOL reboot;
  if (!UpdateDriverForPlugAndPlayDevicesW(NULL, L"ovpn-dco", inf, INSTALLFLAG_FORCE, &reboot))
    return fail("UpdateDriverForPlugAndPlayDevices");
  return 0;
}

static int stay(const WCHAR *path) {
  HANDLE ready = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
  if (ready == INVALID_HANDLE_VALUE) return fail("the file that says it is ready");
  CloseHandle(ready);
  /* Not Sleep, which would not notice the end of Wine's server. */
  WaitForSingleObject(CreateEventW(NULL, TRUE, FALSE, NULL), INFINITE);
  return 0;
}

int wmain(int count, WCHAR **arguments) {
  if (count == 3 && wcscmp(arguments[1], L"remove") == 0) return remove_device(arguments[2]);
  if (count != 4) {
    fprintf(stderr, "usage: see install.c\n");
    return 2;
  }
  if (wcscmp(arguments[1], L"add") == 0)
    return add_device((DWORD)_wtoi(arguments[3])) || install_driver(arguments[2]);
  DWORD devices = (DWORD)_wtoi(arguments[2]);
  for (DWORD i = 0; i < devices; i++)
    if (add_device(i) != 0) return 1;
  return install_driver(arguments[1]) || stay(arguments[3]);
}
