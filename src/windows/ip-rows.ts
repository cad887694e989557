/**
 * Rows of IP Helper (netioapi.h), packed by hand. Pure. For 64-bit Windows.
 */
import { formatIp } from "../core/ip.ts";
import { AF_INET, AF_INET6, packSockaddrBytes } from "../ffi/sockaddr.ts";
import type { Struct } from "./ioctl.ts";

/** SOCKADDR_INET: either family. */
const ADDRESS = 28;

/** Those structures, and those of their fields, that are used. */
export const IP_STRUCTS = {
  MIB_UNICASTIPADDRESS_ROW: {
    size: 80,
    align: 8,
    fields: {
      Address: [0, ADDRESS],
      InterfaceLuid: [32, 8],
      OnLinkPrefixLength: [60, 1],
      DadState: [64, 4],
    },
  },
  MIB_UNICASTIPADDRESS_TABLE: { size: 88, align: 8, fields: { Table: [8, 80] } },
  MIB_IPFORWARD_ROW2: {
    size: 104,
    align: 8,
    fields: {
      InterfaceLuid: [0, 8],
      DestinationPrefix: [12, 32],
      NextHop: [44, ADDRESS],
      Metric: [84, 4],
      Protocol: [88, 4],
    },
  },
  IP_ADDRESS_PREFIX: { size: 32, align: 4, fields: { PrefixLength: [28, 1] } },
  MIB_IPINTERFACE_ROW: {
    size: 168,
    align: 8,
    fields: {
      Family: [0, 2],
      InterfaceLuid: [8, 8],
      UseAutomaticMetric: [44, 1],
      SitePrefixLength: [144, 4],
      Metric: [148, 4],
      NlMtu: [152, 4],
    },
  },
  MIB_IF_ROW2: {
    size: 1352,
    align: 8,
    fields: {
      InterfaceLuid: [0, 8],
      InterfaceIndex: [8, 4],
      Mtu: [1124, 4],
      OperStatus: [1156, 4],
      AdminStatus: [1160, 4],
      MediaConnectState: [1164, 4],
    },
  },
} as const satisfies Readonly<Record<string, Struct>>;

/** IpDadStatePreferred: used at once, since nobody else can have it on a point-to-point link. */
const DAD_PREFERRED = 4;
/** MIB_IPPROTO_NETMGMT: a route that somebody set. */
const PROTOCOL_NETMGMT = 3;
const IF_OPER_UP = 1;
const IF_ADMIN_UP = 1;
const MEDIA_CONNECTED = 1;

const WINDOWS = "win32";

/** An address of an interface. */
export interface UnicastAddress {
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** A route. */
export interface IpRoute {
  readonly luid: bigint;
  readonly destination: Uint8Array;
  readonly prefixLength: number;
  /** Undefined: on the link itself. */
  readonly nextHop: Uint8Array | undefined;
  /** Added to that of the interface. */
  readonly metric: number;
}

/** AF_INET or AF_INET6 of Windows. */
export function familyNumber(family: 4 | 6): number {
  return family === 4 ? AF_INET : AF_INET6[WINDOWS];
}

/** SOCKADDR_INET. */
export function inetAddress(bytes: Uint8Array): Buffer {
  const address = Buffer.alloc(ADDRESS);
  address.set(packSockaddrBytes(bytes, 0, 0, WINDOWS));
  return address;
}

/** The address within a SOCKADDR_INET; undefined for no address. */
export function readInetAddress(bytes: Uint8Array): Uint8Array | undefined {
  const family = Buffer.from(bytes.buffer, bytes.byteOffset, 2).readUInt16LE(0);
  if (family === AF_INET) return Uint8Array.from(bytes.subarray(4, 8));
  return family === AF_INET6[WINDOWS] ? Uint8Array.from(bytes.subarray(8, 24)) : undefined;
}

/** @param row as InitializeUnicastIpAddressEntry leaves it */
export function fillUnicastRow(row: Buffer, luid: bigint, { bytes, length }: UnicastAddress): void {
  const { fields } = IP_STRUCTS.MIB_UNICASTIPADDRESS_ROW;
  row.set(inetAddress(bytes), fields.Address[0]);
  row.writeBigUInt64LE(luid, fields.InterfaceLuid[0]);
  row.writeUInt8(length, fields.OnLinkPrefixLength[0]);
  row.writeInt32LE(DAD_PREFERRED, fields.DadState[0]);
}

/** The addresses in a table that belong to an interface. */
export function readUnicastTable(table: Buffer, luid: bigint): UnicastAddress[] {
  const { size, fields } = IP_STRUCTS.MIB_UNICASTIPADDRESS_ROW;
  const first = IP_STRUCTS.MIB_UNICASTIPADDRESS_TABLE.fields.Table[0];
  const found: UnicastAddress[] = [];
  for (let at = first; at + size <= table.length; at += size) {
    const row = table.subarray(at, at + size);
    const bytes = readInetAddress(row.subarray(fields.Address[0]));
    if (bytes === undefined || row.readBigUInt64LE(fields.InterfaceLuid[0]) !== luid) continue;
    found.push({ bytes, length: row.readUInt8(fields.OnLinkPrefixLength[0]) });
  }
  return found;
}

/** Bytes of a table with so many rows. */
export function unicastTableBytes(rows: number): number {
  return (
    IP_STRUCTS.MIB_UNICASTIPADDRESS_TABLE.fields.Table[0] + rows * IP_STRUCTS.MIB_UNICASTIPADDRESS_ROW.size
  );
}

/** @param row as InitializeIpForwardEntry leaves it */
export function fillRouteRow(
  row: Buffer,
  { luid, destination, prefixLength, nextHop, metric }: IpRoute,
): void {
  const { fields } = IP_STRUCTS.MIB_IPFORWARD_ROW2;
  row.writeBigUInt64LE(luid, fields.InterfaceLuid[0]);
  const prefix = fields.DestinationPrefix[0];
  row.set(inetAddress(destination), prefix);
  row.writeUInt8(prefixLength, prefix + IP_STRUCTS.IP_ADDRESS_PREFIX.fields.PrefixLength[0]);
  row.set(inetAddress(nextHop ?? new Uint8Array(destination.length)), fields.NextHop[0]);
  row.writeUInt32LE(metric, fields.Metric[0]);
  row.writeUInt32LE(PROTOCOL_NETMGMT, fields.Protocol[0]);
}

/** Where a route leads, and whether it is one for a single host. */
export function readRouteRow(row: Buffer): {
  readonly luid: bigint;
  readonly nextHop: Uint8Array | undefined;
  readonly isHost: boolean;
} {
  const { fields } = IP_STRUCTS.MIB_IPFORWARD_ROW2;
  const prefix = row.subarray(fields.DestinationPrefix[0]);
  const bits = 8 * (readInetAddress(prefix)?.length ?? 0);
  const nextHop = readInetAddress(row.subarray(fields.NextHop[0]));
  return {
    luid: row.readBigUInt64LE(fields.InterfaceLuid[0]),
    nextHop: nextHop?.some((byte) => byte !== 0) ? nextHop : undefined,
    isHost: prefix.readUInt8(IP_STRUCTS.IP_ADDRESS_PREFIX.fields.PrefixLength[0]) === bits,
  };
}

/** The key of a row of an interface's IP. */
export function fillInterfaceKey(row: Buffer, luid: bigint, family: 4 | 6): void {
  const { fields } = IP_STRUCTS.MIB_IPINTERFACE_ROW;
  row.writeUInt16LE(familyNumber(family), fields.Family[0]);
  row.writeBigUInt64LE(luid, fields.InterfaceLuid[0]);
}

/** What to change of a row that was read. */
export function changeInterfaceRow(
  row: Buffer,
  family: 4 | 6,
  { mtu, metric }: { readonly mtu?: number; readonly metric?: number | "automatic" },
): void {
  const { fields } = IP_STRUCTS.MIB_IPINTERFACE_ROW;
  // IPv4 has none, but the value that is read is refused when it is set.
  if (family === 4) row.writeUInt32LE(0, fields.SitePrefixLength[0]);
  if (mtu !== undefined) row.writeUInt32LE(mtu, fields.NlMtu[0]);
  if (metric === undefined) return;
  row.writeUInt8(metric === "automatic" ? 1 : 0, fields.UseAutomaticMetric[0]);
  if (metric !== "automatic") row.writeUInt32LE(metric, fields.Metric[0]);
}

/** What of a network card is used. */
export interface CardState {
  readonly index: number;
  readonly mtu: number;
  readonly up: boolean;
  readonly linkUp: boolean;
}

/** The key of a network card. */
export function cardRow(luid: bigint): Buffer {
  const row = Buffer.alloc(IP_STRUCTS.MIB_IF_ROW2.size);
  row.writeBigUInt64LE(luid, IP_STRUCTS.MIB_IF_ROW2.fields.InterfaceLuid[0]);
  return row;
}

export function readCardRow(row: Buffer): CardState {
  const { fields } = IP_STRUCTS.MIB_IF_ROW2;
  const state = (field: readonly [number, number]) => row.readInt32LE(field[0]);
  return {
    index: row.readUInt32LE(fields.InterfaceIndex[0]),
    mtu: row.readUInt32LE(fields.Mtu[0]),
    up: state(fields.AdminStatus) === IF_ADMIN_UP,
    linkUp: state(fields.OperStatus) === IF_OPER_UP && state(fields.MediaConnectState) === MEDIA_CONNECTED,
  };
}

/** DNS_INTERFACE_SETTINGS, version 1: which settings count, and addresses of texts. */
export function dnsSettings(flags: number, domain: bigint, nameServer: bigint): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(1, 0);
  bytes.writeBigUInt64LE(BigInt(flags), 8);
  bytes.writeBigUInt64LE(domain, 16);
  bytes.writeBigUInt64LE(nameServer, 24);
  return bytes;
}

/** As a person would write it; the same for the same route. */
export function routeText({ destination, prefixLength, nextHop }: IpRoute): string {
  const via = nextHop ? ` via ${formatIp(nextHop)}` : "";
  return `${formatIp(destination)}/${prefixLength}${via}`;
}
