/**
 * Which ciphers a configuration lets the data channel use, and which of them DCO does not have.
 */
import type { Settings } from "./settings.ts";
import type { CompatibilityPlatform, ConfigDirective } from "./types.ts";

/** OpenVPN's names; what each platform's DCO says that it can do. */
const CIPHERS = ["AES-128-GCM", "AES-192-GCM", "AES-256-GCM", "CHACHA20-POLY1305"] as const;

/** Other names that OpenSSL has for them, and OpenVPN translates. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["ID-AES128-GCM", "AES-128-GCM"],
  ["ID-AES192-GCM", "AES-192-GCM"],
  ["ID-AES256-GCM", "AES-256-GCM"],
]);

/** What OpenSSL 3 has by default and DCO has not; others that are marked as optional OpenVPN drops from the list. */
const PRESENT =
  /^((AES|ARIA|CAMELLIA)-(128|192|256)-(CBC|CFB|CFB1|CFB8|OFB)|DES-EDE3?-(CBC|CFB|OFB)|SM4-(CBC|CFB|OFB)|NONE)$/;

/** A cipher that rules DCO out, and the option that brings it in. */
export interface CipherHit {
  readonly at: ConfigDirective;
  readonly value: string;
}

/** Ciphers that may be negotiated and that DCO does not have. */
export function foreignCiphers(settings: Settings, platform: CompatibilityPlatform): CipherHit[] {
  const found: CipherHit[] = [];
  const list = lastOf(settings, "data-ciphers", "ncp-ciphers");
  for (const word of list?.args[0]?.split(":") ?? []) {
    const optional = word.startsWith("?");
    const name = normalised(optional ? word.slice(1) : word);
    if (name === "" || name === "DEFAULT" || has(name)) continue;
    if (name === "NONE" && allowsNone(settings, platform)) continue;
    if (optional && !PRESENT.test(name)) continue;
    found.push({ at: list as ConfigDirective, value: word });
  }
  // For the sake of versions before 2.5 the one cipher of the option is added to the list.
  const cipher = lastOf(settings, "cipher", "data-ciphers-fallback");
  const { compatMode } = settings;
  if (compatMode > 0 && compatMode < 20_500 && cipher !== undefined) {
    const name = normalised(cipher.args[0] ?? "");
    if (!has(name)) found.push({ at: cipher, value: cipher.args[0] ?? "" });
  }
  return found;
}

/** The cipher for a peer that cannot negotiate, if it is one that DCO does not have. */
export function foreignFallback(settings: Settings): CipherHit[] {
  const cipher = lastOf(settings, "cipher", "data-ciphers-fallback");
  const { compatMode } = settings;
  const old = compatMode > 0 && compatMode < 20_400 ? settings.last.get("compat-mode") : undefined;
  if (cipher === undefined) return old === undefined ? [] : [{ at: old, value: "BF-CBC" }];
  const fallsBack =
    settings.last.has("data-ciphers-fallback") || old !== undefined || settings.role === "p2p";
  const value = cipher.args[0] ?? "";
  // Unlike the list it is compared as it is written.
  return fallsBack && !(CIPHERS as readonly string[]).includes(value) ? [{ at: cipher, value }] : [];
}

/** The option of the list that asks for ChaCha20-Poly1305 by name. */
export function namesChaCha(settings: Settings): CipherHit[] {
  const list = lastOf(settings, "data-ciphers", "ncp-ciphers");
  const word = list?.args[0]?.split(":").find((each) => normalised(each) === "CHACHA20-POLY1305");
  return list === undefined || word === undefined ? [] : [{ at: list, value: word }];
}

const has = (name: string) => (CIPHERS as readonly string[]).includes(name);

function normalised(name: string): string {
  const upper = name.toUpperCase();
  return ALIASES.get(upper) ?? upper;
}

/** FreeBSD's module can leave the encryption away, if authentication is off too. */
function allowsNone(settings: Settings, platform: CompatibilityPlatform): boolean {
  return platform === "freebsd" && settings.last.get("auth")?.args[0] === "none";
}

/** The later of two options that set the same thing. */
function lastOf(settings: Settings, ...names: readonly string[]): ConfigDirective | undefined {
  return settings.all.findLast(({ name, args }) => names.includes(name) && args.length > 0);
}
