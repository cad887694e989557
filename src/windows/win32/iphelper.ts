/**
 * IP Helper: addresses, routes, MTU, metric and DNS of an interface.
 */
import { DcoError, type DcoErrorCode } from "../../core/errors.ts";
import { formatIp } from "../../core/ip.ts";
import type { Ffi } from "../../ffi/index.ts";
import {
  type CardState,
  cardRow,
  changeInterfaceRow,
  dnsSettings,
  fillInterfaceKey,
  fillRouteRow,
  fillUnicastRow,
  IP_STRUCTS,
  type IpRoute,
  inetAddress,
  readCardRow,
  readRouteRow,
  readUnicastTable,
  routeText,
  type UnicastAddress,
  unicastTableBytes,
} from "../ip-rows.ts";
import { nativeOf } from "../status.ts";
import { type Kernel32, lazily, wide } from "./kernel32.ts";

const AF_UNSPEC = 0;
const ERROR_NOT_FOUND = 1168;
const ERROR_FILE_NOT_FOUND = 2;
const ERROR_OBJECT_ALREADY_EXISTS = 5010;

const DNS_SETTING_IPV6 = 1;
const DNS_SETTING_NAMESERVER = 2;
const DNS_SETTING_DOMAIN = 0x20;

/** What the codes of these calls mean; others are `system`. */
const CODES: Readonly<Record<number, DcoErrorCode>> = {
  5: "permission",
  87: "invalid",
  1168: "not-found",
  1231: "socket",
  1232: "socket",
  5010: "exists",
};

/** See the module's comment. */
export type IpHelper = ReturnType<typeof createIpHelper>;

export function createIpHelper(ffi: Ffi, kernel: Kernel32) {
  const func = lazily(ffi, "iphlpapi.dll");
  const p = "pointer";
  const b = "buffer";
  const getIfEntry = func("GetIfEntry2", "u32", [b]);
  const luidToIndex = func("ConvertInterfaceLuidToIndex", "u32", [b, b]);
  const getAddresses = func("GetUnicastIpAddressTable", "u32", ["u32", b]);
  const freeTable = func("FreeMibTable", "void", [p]);
  const initializeAddress = func("InitializeUnicastIpAddressEntry", "void", [b]);
  const createAddress = func("CreateUnicastIpAddressEntry", "u32", [b]);
  const deleteAddress = func("DeleteUnicastIpAddressEntry", "u32", [b]);
  const initializeRoute = func("InitializeIpForwardEntry", "void", [b]);
  const createRoute = func("CreateIpForwardEntry2", "u32", [b]);
  const deleteRoute = func("DeleteIpForwardEntry2", "u32", [b]);
  const getBestRoute = func("GetBestRoute2", "u32", [p, "u32", p, b, "u32", b, b]);
  const initializeInterface = func("InitializeIpInterfaceEntry", "void", [b]);
  const getInterface = func("GetIpInterfaceEntry", "u32", [b]);
  const setInterface = func("SetIpInterfaceEntry", "u32", [b]);
  // A GUID by value: on x64 its address, on ARM64 two registers.
  const byAddress = process.arch === "x64";
  const setDns = func("SetInterfaceDnsSettings", "u32", byAddress ? [b, b] : ["u64", "u64", b]);

  function check(code: number, call: string, target: string): void {
    if (code === 0) return;
    const native = nativeOf({ kind: "win32", number: code });
    throw new DcoError(CODES[code] ?? "system", `${call} (${target}): ${native.name}`, {
      native,
      effect: "none",
    });
  }

  function addressRow(luid: bigint, address: UnicastAddress): Buffer {
    const row = Buffer.alloc(IP_STRUCTS.MIB_UNICASTIPADDRESS_ROW.size);
    initializeAddress(row);
    fillUnicastRow(row, luid, address);
    return row;
  }

  function routeRow(route: IpRoute): Buffer {
    const row = Buffer.alloc(IP_STRUCTS.MIB_IPFORWARD_ROW2.size);
    initializeRoute(row);
    fillRouteRow(row, route);
    return row;
  }

  function interfaceRow(luid: bigint, family: 4 | 6): { readonly row: Buffer; readonly code: number } {
    const row = Buffer.alloc(IP_STRUCTS.MIB_IPINTERFACE_ROW.size);
    initializeInterface(row);
    fillInterfaceKey(row, luid, family);
    return { row, code: getInterface(row) };
  }

  const addressText = ({ bytes, length }: UnicastAddress) => `${formatIp(bytes)}/${length}`;

  return {
    /** Undefined where the system has no network card of this number. */
    card(luid: bigint): CardState | undefined {
      const row = cardRow(luid);
      return getIfEntry(row) === 0 ? readCardRow(row) : undefined;
    },
    indexOf(luid: bigint): number | undefined {
      const [key, index] = [Buffer.alloc(8), Buffer.alloc(4)];
      key.writeBigUInt64LE(luid, 0);
      return luidToIndex(key, index) === 0 ? index.readUInt32LE(0) : undefined;
    },
    addresses(luid: bigint): UnicastAddress[] {
      const pointer = Buffer.alloc(8);
      check(getAddresses(AF_UNSPEC, pointer), "GetUnicastIpAddressTable", "all");
      const address = pointer.readBigUInt64LE(0);
      try {
        const count = Buffer.alloc(4);
        kernel.read(address, count);
        const table = Buffer.alloc(unicastTableBytes(count.readUInt32LE(0)));
        kernel.read(address, table);
        return readUnicastTable(table, luid);
      } finally {
        freeTable(address);
      }
    },
    addAddress(luid: bigint, address: UnicastAddress): void {
      const code = createAddress(addressRow(luid, address));
      if (code !== ERROR_OBJECT_ALREADY_EXISTS)
        check(code, "CreateUnicastIpAddressEntry", addressText(address));
    },
    /** One that is gone is no error. */
    deleteAddress(luid: bigint, address: UnicastAddress): void {
      const code = deleteAddress(addressRow(luid, address));
      if (code !== ERROR_NOT_FOUND) check(code, "DeleteUnicastIpAddressEntry", addressText(address));
    },
    /** Errors: `exists`, `permission`. */
    addRoute(route: IpRoute): void {
      check(createRoute(routeRow(route)), "CreateIpForwardEntry2", routeText(route));
    },
    /** One that is gone is no error. */
    deleteRoute(route: IpRoute): void {
      const code = deleteRoute(routeRow(route));
      if (code === ERROR_NOT_FOUND || code === ERROR_FILE_NOT_FOUND) return;
      check(code, "DeleteIpForwardEntry2", routeText(route));
    },
    /** How an address is reached now; undefined if nothing leads there. */
    findRoute(address: Uint8Array): ReturnType<typeof readRouteRow> | undefined {
      const row = Buffer.alloc(IP_STRUCTS.MIB_IPFORWARD_ROW2.size);
      const code = getBestRoute(0, 0, 0, inetAddress(address), 0, row, inetAddress(new Uint8Array(4)));
      return code === 0 ? readRouteRow(row) : undefined;
    },
    /** Whether IP of this family runs on the interface: it comes a moment after the link. */
    hasIp(luid: bigint, family: 4 | 6): boolean {
      const { code } = interfaceRow(luid, family);
      if (code !== ERROR_NOT_FOUND && code !== ERROR_FILE_NOT_FOUND)
        check(code, "GetIpInterfaceEntry", `IPv${family}`);
      return code === 0;
    },
    change(luid: bigint, family: 4 | 6, changes: Parameters<typeof changeInterfaceRow>[2]): void {
      const { row, code } = interfaceRow(luid, family);
      check(code, "GetIpInterfaceEntry", `IPv${family}`);
      changeInterfaceRow(row, family, changes);
      check(setInterface(row), "SetIpInterfaceEntry", `IPv${family}`);
    },
    /** @param guid the adapter's, in memory's order @param servers addresses of one family; none: the system's own */
    setDns(guid: Buffer, family: 4 | 6, servers: readonly string[], suffix: string | undefined): void {
      const names = wide(servers.join(","));
      const domain = suffix === undefined ? undefined : wide(suffix);
      const flags =
        DNS_SETTING_NAMESERVER | (family === 6 ? DNS_SETTING_IPV6 : 0) | (domain ? DNS_SETTING_DOMAIN : 0);
      const settings = dnsSettings(flags, domain ? ffi.addressOf(domain) : 0n, ffi.addressOf(names));
      const code = byAddress
        ? setDns(guid, settings)
        : setDns(guid.readBigUInt64LE(0), guid.readBigUInt64LE(8), settings);
      // The texts have been used, so they were referenced until here.
      check(code, "SetInterfaceDnsSettings", `${names.length + (domain?.length ?? 0)} bytes`);
    },
  };
}
