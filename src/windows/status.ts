/**
 * The codes that the driver and the calls to it end with: NTSTATUS of the kernel, Win32 of the calls.
 *
 * Win32 codes are those of NTSTATUS folded together, so where both are to be had the NTSTATUS counts.
 */
import type { NativeError } from "../core/errors.ts";

/** STATUS_PENDING: the kernel is not done. */
export const STATUS_PENDING = 0x103;

/** A connection was reset: another thing than the keepalive's end, with which it shares its Win32 code. */
export const STATUS_CONNECTION_RESET = 0xc000020d;

/** A code with its names. */
interface Row {
  readonly status: number;
  readonly statusName: string;
  readonly win32: number;
  readonly win32Name: string;
}

/** Several statuses become one Win32 code: the first here is the one that such a code is taken for. */
const ROWS: readonly (readonly [status: number, name: string, win32: number, win32Name: string])[] = [
  [0x80000005, "STATUS_BUFFER_OVERFLOW", 234, "ERROR_MORE_DATA"],
  [0xc0000010, "STATUS_INVALID_DEVICE_REQUEST", 1, "ERROR_INVALID_FUNCTION"],
  [0xc0000184, "STATUS_INVALID_DEVICE_STATE", 22, "ERROR_BAD_COMMAND"],
  [0xc0000023, "STATUS_BUFFER_TOO_SMALL", 122, "ERROR_INSUFFICIENT_BUFFER"],
  [0xc000000d, "STATUS_INVALID_PARAMETER", 87, "ERROR_INVALID_PARAMETER"],
  [0xc0000702, "STATUS_INVALID_MESSAGE", 87, "ERROR_INVALID_PARAMETER"],
  [0xc0000141, "STATUS_INVALID_ADDRESS", 59, "ERROR_UNEXP_NET_ERR"],
  [0xc0000206, "STATUS_INVALID_BUFFER_SIZE", 1784, "ERROR_INVALID_USER_BUFFER"],
  [0xc000022b, "STATUS_OBJECTID_EXISTS", 5010, "ERROR_OBJECT_ALREADY_EXISTS"],
  [0xc00002f0, "STATUS_OBJECTID_NOT_FOUND", 2, "ERROR_FILE_NOT_FOUND"],
  [0xc0000225, "STATUS_NOT_FOUND", 1168, "ERROR_NOT_FOUND"],
  [0xc0000510, "STATUS_ALREADY_INITIALIZED", 1247, "ERROR_ALREADY_INITIALIZED"],
  [0xc0000017, "STATUS_NO_MEMORY", 8, "ERROR_NOT_ENOUGH_MEMORY"],
  [0xc000009a, "STATUS_INSUFFICIENT_RESOURCES", 1450, "ERROR_NO_SYSTEM_RESOURCES"],
  [0xc0000120, "STATUS_CANCELLED", 995, "ERROR_OPERATION_ABORTED"],
  [0xc000020c, "STATUS_CONNECTION_DISCONNECTED", 64, "ERROR_NETNAME_DELETED"],
  [STATUS_CONNECTION_RESET, "STATUS_CONNECTION_RESET", 64, "ERROR_NETNAME_DELETED"],
  [0xc0000241, "STATUS_CONNECTION_ABORTED", 1236, "ERROR_CONNECTION_ABORTED"],
  [0xc0000236, "STATUS_CONNECTION_REFUSED", 1225, "ERROR_CONNECTION_REFUSED"],
  [0xc000023c, "STATUS_NETWORK_UNREACHABLE", 1231, "ERROR_NETWORK_UNREACHABLE"],
  [0xc000023d, "STATUS_HOST_UNREACHABLE", 1232, "ERROR_HOST_UNREACHABLE"],
  [0xc00000b5, "STATUS_IO_TIMEOUT", 121, "ERROR_SEM_TIMEOUT"],
  [0xc000020a, "STATUS_ADDRESS_ALREADY_EXISTS", 52, "ERROR_DUP_NAME"],
  [0xc0000207, "STATUS_INVALID_ADDRESS_COMPONENT", 1214, "ERROR_INVALID_NETNAME"],
  [0xc0000022, "STATUS_ACCESS_DENIED", 5, "ERROR_ACCESS_DENIED"],
  [0xc0000043, "STATUS_SHARING_VIOLATION", 32, "ERROR_SHARING_VIOLATION"],
  [0xc0000034, "STATUS_OBJECT_NAME_NOT_FOUND", 2, "ERROR_FILE_NOT_FOUND"],
  [0xc000003a, "STATUS_OBJECT_PATH_NOT_FOUND", 3, "ERROR_PATH_NOT_FOUND"],
  [0xc0000008, "STATUS_INVALID_HANDLE", 6, "ERROR_INVALID_HANDLE"],
  [0xc00000bb, "STATUS_NOT_SUPPORTED", 50, "ERROR_NOT_SUPPORTED"],
  [0xc000000e, "STATUS_NO_SUCH_DEVICE", 433, "ERROR_NO_SUCH_DEVICE"],
  [0xc000009d, "STATUS_DEVICE_NOT_CONNECTED", 1167, "ERROR_DEVICE_NOT_CONNECTED"],
  [0xc00000c0, "STATUS_DEVICE_DOES_NOT_EXIST", 55, "ERROR_DEV_NOT_EXIST"],
  [0xc00002b6, "STATUS_DEVICE_REMOVED", 1617, "ERROR_DEVICE_REMOVED"],
  [0xc000023a, "STATUS_CONNECTION_INVALID", 1229, "ERROR_CONNECTION_INVALID"],
  [0xc0000056, "STATUS_DELETE_PENDING", 5, "ERROR_ACCESS_DENIED"],
];

/** Codes of the calls alone, which no status stands for. */
const WIN32_NAMES: Readonly<Record<number, string>> = {
  997: "ERROR_IO_PENDING",
  1062: "ERROR_SERVICE_NOT_ACTIVE",
  1314: "ERROR_PRIVILEGE_NOT_HELD",
  3010: "ERROR_SUCCESS_REBOOT_REQUIRED",
};

const BY_STATUS = new Map<number, Row>();
const BY_WIN32 = new Map<number, Row>();
for (const [status, statusName, win32, win32Name] of ROWS) {
  const row = { status, statusName, win32, win32Name };
  BY_STATUS.set(status, row);
  if (!BY_WIN32.has(win32)) BY_WIN32.set(win32, row);
}

/** Rows in their order, for the tests of the table. */
export const STATUS_ROWS = ROWS;

/** What a failed request ended with: the status where the kernel answered, else the code of the call. */
export interface Failure {
  readonly kind: "ntstatus" | "win32";
  readonly number: number;
}

/** Whether a status is one of success, or informs. */
export function isSuccess(status: number): boolean {
  return status >>> 30 < 2;
}

/** The Win32 code of a failure; undefined where the table has none. */
export function win32Of({ kind, number }: Failure): number | undefined {
  return kind === "win32" ? number : BY_STATUS.get(number)?.win32;
}

/** The code as errors have it, with its name. */
export function nativeOf({ kind, number }: Failure): NativeError {
  if (kind === "win32") {
    const name = BY_WIN32.get(number)?.win32Name ?? WIN32_NAMES[number] ?? `Win32 error ${number}`;
    return { kind, number, name };
  }
  const name = BY_STATUS.get(number)?.statusName ?? `NTSTATUS 0x${number.toString(16).padStart(8, "0")}`;
  return { kind, number, name };
}

/** The Win32 code that an error stands for, whichever kind it has. */
export function win32OfError(native: NativeError | undefined): number | undefined {
  if (native === undefined || native.kind === "errno") return undefined;
  return win32Of({ kind: native.kind, number: native.number });
}
