/**
 * Name-value lists for the trace: key bytes are left out, in the object and in the hex.
 */
import type { NvList, NvPair } from "./list.ts";

/** Names of what is secret, wherever it stands. */
const SECRET = ["key", "iv"];

/** The list as plain data. */
export function describeList(list: NvList): Record<string, unknown> {
  return Object.fromEntries(list.map((pair) => [pair.name, describeValue(pair)]));
}

function describeValue(pair: NvPair): unknown {
  switch (pair.type) {
    case "null":
      return null;
    case "nvlist":
      return describeList(pair.value);
    case "nvlist_array":
      return pair.value.map(describeList);
    case "binary":
      return isSecret(pair) ? `${pair.value.length} bytes` : Buffer.from(pair.value).toString("hex");
    default:
      return pair.value;
  }
}

/** The packed form in hex, with `**` for each secret byte. */
export function redactedHex(list: NvList, packed: Uint8Array): string {
  let hex = Buffer.from(packed).toString("hex");
  for (const secret of secrets(list)) {
    const digits = Buffer.from(secret).toString("hex");
    // Wherever the same bytes stand: that hides too much rather than too little.
    hex = hex.split(digits).join("*".repeat(digits.length));
  }
  return hex;
}

function secrets(list: NvList): Uint8Array[] {
  return list.flatMap((pair) => {
    if (pair.type === "nvlist") return secrets(pair.value);
    if (pair.type === "nvlist_array") return pair.value.flatMap(secrets);
    return pair.type === "binary" && isSecret(pair) ? [pair.value] : [];
  });
}

function isSecret({ name }: NvPair): boolean {
  return SECRET.includes(name);
}
