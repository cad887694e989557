/**
 * Values in the registry.
 */
import type { Ffi } from "../../ffi/index.ts";
import { callFailed, fromWide, lazily, wide } from "./kernel32.ts";

/** An open key. */
export type RegistryKey = bigint;

const HKEY_LOCAL_MACHINE: RegistryKey = 0xffff_ffff_8000_0002n;

const KEY_QUERY_VALUE = 1;
const REG_SZ = 1;
const REG_DWORD = 4;
/** No text that is read here is longer. */
const TEXT_BYTES = 2048;

/** See the module's comment. */
export type Registry = ReturnType<typeof createRegistry>;

export function createRegistry(ffi: Ffi) {
  const func = lazily(ffi, "advapi32.dll");
  const openKey = func("RegOpenKeyExW", "u32", ["pointer", "buffer", "u32", "u32", "buffer"]);
  const closeKey = func("RegCloseKey", "u32", ["pointer"]);
  const queryValue = func("RegQueryValueExW", "u32", [
    "pointer",
    "buffer",
    "pointer",
    "buffer",
    "buffer",
    "buffer",
  ]);
  const setValue = func("RegSetValueExW", "u32", ["pointer", "buffer", "u32", "u32", "buffer", "u32"]);

  function query(
    key: RegistryKey,
    name: string,
  ): { readonly type: number; readonly bytes: Buffer } | undefined {
    const type = Buffer.alloc(4);
    const length = Buffer.alloc(4);
    const bytes = Buffer.alloc(TEXT_BYTES);
    length.writeUInt32LE(bytes.length, 0);
    if (queryValue(key, wide(name), 0, type, bytes, length) !== 0) return undefined;
    return { type: type.readUInt32LE(0), bytes: bytes.subarray(0, length.readUInt32LE(0)) };
  }

  return {
    /** A key of the machine's, to read; undefined where there is none. */
    open(path: string): RegistryKey | undefined {
      const key = Buffer.alloc(8);
      if (openKey(HKEY_LOCAL_MACHINE, wide(path), 0, KEY_QUERY_VALUE, key) !== 0) return undefined;
      return key.readBigUInt64LE(0);
    },
    close(key: RegistryKey): void {
      closeKey(key);
    },
    readText(key: RegistryKey, name: string): string | undefined {
      const value = query(key, name);
      return value?.type === REG_SZ ? fromWide(value.bytes) : undefined;
    },
    readNumber(key: RegistryKey, name: string): number | undefined {
      const value = query(key, name);
      return value?.type === REG_DWORD && value.bytes.length === 4 ? value.bytes.readUInt32LE(0) : undefined;
    },
    writeText(key: RegistryKey, name: string, text: string): void {
      const bytes = wide(text);
      const code = setValue(key, wide(name), 0, REG_SZ, bytes, bytes.length);
      if (code !== 0) throw callFailed("RegSetValueEx", code, code === 5 ? "permission" : "system");
    },
  };
}
