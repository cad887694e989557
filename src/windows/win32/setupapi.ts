/**
 * Devices of the system: found, made and removed as SetupAPI does it. The calls are those of OpenVPN's tapctl.
 */
import { DcoError } from "../../core/errors.ts";
import type { Ffi } from "../../ffi/index.ts";
import { callFailed, fromWide, INVALID_HANDLE, lazily, wide } from "./kernel32.ts";
import type { Registry, RegistryKey } from "./registry.ts";

/** {4d36e972-e325-11ce-bfc1-08002be10318}, GUID_DEVCLASS_NET, in memory's order. */
const NET_CLASS = Buffer.from("72e9364d25e3ce11bfc108002be10318", "hex");
/** {cac88484-7515-4c03-82e6-71a87abac361}, GUID_DEVINTERFACE_NET. */
const NET_INTERFACE = Buffer.from("8484c8ca1575034c82e671a87abac361", "hex");

const DIGCF_PRESENT = 2;
const DIGCF_DEVICEINTERFACE = 0x10;
const SPDRP_HARDWAREID = 1;
const DICD_GENERATE_ID = 1;
const DICS_FLAG_GLOBAL = 1;
const DIREG_DEV = 1;
const DIREG_DRV = 2;
const KEY_QUERY_VALUE = 1;
const DIF_REMOVE = 5;
const DIF_REGISTERDEVICE = 0x19;
const DI_REMOVEDEVICE_GLOBAL = 1;

const ERROR_ACCESS_DENIED = 5;
const ERROR_NO_MORE_ITEMS = 259;
/** No text that is asked for here is longer. */
const TEXT_BYTES = 2048;

/** A device of the class of network cards with an interface that programs can open. */
export interface FoundDevice {
  /** Such as `ROOT\NET\0002`. */
  readonly instance: string;
  readonly path: string;
  readonly hardwareIds: readonly string[];
  /** NetCfgInstanceId: undefined until the system has made a network card of it. */
  readonly guid: string | undefined;
  readonly luidIndex: number | undefined;
  /** What the device's own key says of who made it. */
  readonly mark: string | undefined;
}

/** See the module's comment. */
export type SetupApi = ReturnType<typeof createSetupApi>;

const MARK = "DcokitOwner";

/** SP_DEVINFO_DATA of 64-bit Windows. */
function deviceInfo(): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32LE(bytes.length, 0);
  return bytes;
}

export function createSetupApi(ffi: Ffi, registry: Registry) {
  const func = lazily(ffi, "setupapi.dll");
  const p = "pointer";
  const b = "buffer";
  const getClassDevs = func("SetupDiGetClassDevsW", p, [b, b, p, "u32"]);
  const destroyList = func("SetupDiDestroyDeviceInfoList", "i32", [p]);
  const enumInterfaces = func("SetupDiEnumDeviceInterfaces", "i32", [p, p, b, "u32", b]);
  const interfaceDetail = func("SetupDiGetDeviceInterfaceDetailW", "i32", [p, b, b, "u32", b, b]);
  const getProperty = func("SetupDiGetDeviceRegistryPropertyW", "i32", [p, b, "u32", b, b, "u32", b]);
  const setProperty = func("SetupDiSetDeviceRegistryPropertyW", "i32", [p, b, "u32", b, "u32"]);
  const getInstance = func("SetupDiGetDeviceInstanceIdW", "i32", [p, b, b, "u32", b]);
  const openRegKey = func("SetupDiOpenDevRegKey", p, [p, b, "u32", "u32", "u32", "u32"]);
  const createRegKey = func("SetupDiCreateDevRegKeyW", p, [p, b, "u32", "u32", "u32", p, p]);
  const createList = func("SetupDiCreateDeviceInfoList", p, [b, p]);
  const createInfo = func("SetupDiCreateDeviceInfoW", "i32", [p, b, b, b, p, "u32", b]);
  const openInfo = func("SetupDiOpenDeviceInfoW", "i32", [p, b, p, "u32", b]);
  const selectDevice = func("SetupDiSetSelectedDevice", "i32", [p, b]);
  const callInstaller = func("SetupDiCallClassInstaller", "i32", ["u32", p, b]);
  const setInstallParams = func("SetupDiSetClassInstallParamsW", "i32", [p, b, b, "u32"]);
  const newdev = lazily(ffi, "newdev.dll");
  const installDevice = newdev("DiInstallDevice", "i32", [p, p, b, p, "u32", b]);

  function failed(call: string): DcoError {
    const code = ffi.lastError();
    return callFailed(call, code, code === ERROR_ACCESS_DENIED ? "permission" : "system");
  }

  function must(result: number, call: string): void {
    if (result === 0) throw failed(call);
  }

  function withList<T>(list: bigint, call: string, body: (list: bigint) => T): T {
    if (list === INVALID_HANDLE) throw failed(call);
    let result: T;
    try {
      result = body(list);
    } catch (error) {
      destroyList(list);
      throw error;
    }
    if (result instanceof Promise) return result.finally(() => destroyList(list)) as T;
    destroyList(list);
    return result;
  }

  function hardwareIds(list: bigint, device: Buffer): string[] {
    const bytes = Buffer.alloc(TEXT_BYTES);
    const length = Buffer.alloc(4);
    const got = getProperty(list, device, SPDRP_HARDWAREID, null, bytes, bytes.length, length);
    if (got === 0) return [];
    const texts = bytes.toString("utf16le", 0, length.readUInt32LE(0));
    return texts.split("\0").filter((text) => text !== "");
  }

  function instanceOf(list: bigint, device: Buffer): string {
    const bytes = Buffer.alloc(TEXT_BYTES);
    const got = getInstance(list, device, bytes, bytes.length / 2, Buffer.alloc(4));
    must(got, "SetupDiGetDeviceInstanceId");
    return fromWide(bytes);
  }

  function withKey<T>(key: RegistryKey, body: (key: RegistryKey) => T): T | undefined {
    if (key === INVALID_HANDLE) return undefined;
    try {
      return body(key);
    } finally {
      registry.close(key);
    }
  }

  function describe(list: bigint, device: Buffer, path: string): FoundDevice {
    const driver = openRegKey(list, device, DICS_FLAG_GLOBAL, 0, DIREG_DRV, KEY_QUERY_VALUE);
    const card = withKey(driver, (key) => ({
      guid: registry.readText(key, "NetCfgInstanceId"),
      luidIndex: registry.readNumber(key, "NetLuidIndex"),
    }));
    const own = openRegKey(list, device, DICS_FLAG_GLOBAL, 0, DIREG_DEV, KEY_QUERY_VALUE);
    return {
      instance: instanceOf(list, device),
      path,
      hardwareIds: hardwareIds(list, device),
      guid: card?.guid,
      luidIndex: card?.luidIndex,
      mark: withKey(own, (key) => registry.readText(key, MARK)),
    };
  }

  /** The path of the n-th device interface of the list, and its device; undefined after the last. */
  function interfaceAt(list: bigint, index: number): { path: string; device: Buffer } | undefined {
    const data = Buffer.alloc(32);
    data.writeUInt32LE(data.length, 0);
    if (enumInterfaces(list, 0, NET_INTERFACE, index, data) === 0) {
      if (ffi.lastError() === ERROR_NO_MORE_ITEMS) return undefined;
      throw failed("SetupDiEnumDeviceInterfaces");
    }
    const detail = Buffer.alloc(TEXT_BYTES);
    // The size of the structure with one character, as 64-bit Windows pads it.
    detail.writeUInt32LE(8, 0);
    const device = deviceInfo();
    const got = interfaceDetail(list, data, detail, detail.length, Buffer.alloc(4), device);
    must(got, "SetupDiGetDeviceInterfaceDetail");
    return { path: fromWide(detail.subarray(4)), device };
  }

  return {
    /** Devices that are started, with a network interface that `wanted` takes by its path. */
    find(wanted: (path: string) => boolean): FoundDevice[] {
      const list = getClassDevs(NET_INTERFACE, null, 0, DIGCF_PRESENT | DIGCF_DEVICEINTERFACE);
      return withList(list, "SetupDiGetClassDevs", (all) => {
        const found: FoundDevice[] = [];
        for (let n = 0, one = interfaceAt(all, n); one; one = interfaceAt(all, ++n)) {
          if (wanted(one.path)) found.push(describe(all, one.device, one.path));
        }
        return found;
      });
    },

    /** Whether there is a started device with this path. */
    isPresent(path: string): boolean {
      const list = getClassDevs(NET_INTERFACE, null, 0, DIGCF_PRESENT | DIGCF_DEVICEINTERFACE);
      return withList(list, "SetupDiGetClassDevs", (all) => {
        for (let n = 0, one = interfaceAt(all, n); one; one = interfaceAt(all, ++n)) {
          if (one.path.toLowerCase() === path.toLowerCase()) return true;
        }
        return false;
      });
    },

    /**
     * Makes a device and has the system find its driver among those that are staged; it comes to life a while later.
     *
     * Takes seconds, and is on a thread of libuv's pool meanwhile. What fails there has no code: the system's log
     * `setupapi.dev.log` has the story.
     *
     * @returns the device's instance
     */
    create(hardwareId: string, mark: string): Promise<string> {
      return withList(createList(NET_CLASS, 0), "SetupDiCreateDeviceInfoList", async (list) => {
        const device = deviceInfo();
        const name = wide("Net");
        const description = wide("Virtual Ethernet");
        must(
          createInfo(list, name, NET_CLASS, description, 0, DICD_GENERATE_ID, device),
          "SetupDiCreateDeviceInfo",
        );
        must(selectDevice(list, device), "SetupDiSetSelectedDevice");
        // A list of texts, which ends with two NULs.
        const ids = wide(`${hardwareId}\0`);
        const set = setProperty(list, device, SPDRP_HARDWAREID, ids, ids.length);
        must(set, "SetupDiSetDeviceRegistryProperty");
        must(callInstaller(DIF_REGISTERDEVICE, list, device), "DIF_REGISTERDEVICE");
        try {
          // Before it comes to life, so that no death of ours leaves one that nobody knows.
          const key = createRegKey(list, device, DICS_FLAG_GLOBAL, 0, DIREG_DEV, 0, 0);
          if (key === INVALID_HANDLE) throw failed("SetupDiCreateDevRegKey");
          withKey(key, (own) => registry.writeText(own, MARK, mark));
          const reboot = Buffer.alloc(4);
          if ((await installDevice.async(0, list, device, 0, 0, reboot)) === 0) {
            const problem = "DiInstallDevice failed; is the driver staged? See setupapi.dev.log";
            throw new DcoError("system", problem);
          }
          return instanceOf(list, device);
        } catch (error) {
          callInstaller(DIF_REMOVE, list, device);
          throw error;
        }
      });
    },

    /** Removes a device; one that is gone is `not-found`. Off the event loop. */
    remove(instance: string): Promise<void> {
      return withList(createList(NET_CLASS, 0), "SetupDiCreateDeviceInfoList", async (list) => {
        const device = deviceInfo();
        if (openInfo(list, wide(instance), 0, 0, device) === 0) {
          const native = callFailed("SetupDiOpenDeviceInfo", ffi.lastError()).native;
          throw new DcoError("not-found", `there is no device ${instance}`, { native, effect: "none" });
        }
        // SP_REMOVEDEVICE_PARAMS: header with its size, the function, the scope, and no hardware profile.
        const parameters = Buffer.alloc(16);
        parameters.writeUInt32LE(8, 0);
        parameters.writeUInt32LE(DIF_REMOVE, 4);
        parameters.writeUInt32LE(DI_REMOVEDEVICE_GLOBAL, 8);
        const set = setInstallParams(list, device, parameters, parameters.length);
        must(set, "SetupDiSetClassInstallParams");
        if ((await callInstaller.async(DIF_REMOVE, list, device)) === 0) {
          throw new DcoError("system", `device ${instance} is not removed; see setupapi.dev.log`);
        }
      });
    },
  };
}
