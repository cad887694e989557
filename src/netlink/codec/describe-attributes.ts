/**
 * Attributes as a plain object for the wire trace; see describe.ts.
 */

import { decodeValue } from "./attributes.ts";
import { AttributeReader } from "./reader.ts";
import type { Region } from "./region.ts";
import type { AttributeTable, ContainerShape, Shape } from "./table.ts";
import { isContainer, pathWithin, shapeWithin } from "./table.ts";

/**
 * The attributes of a region by the kernel's names; secrets as `<32 bytes redacted>`, unknown attributes as
 * `"#99": "<4 bytes>"`, and a `malformed` entry where the rest cannot be read.
 */
export function describeAttributes(
  table: AttributeTable,
  region: Region,
  from: number,
): Record<string, unknown> {
  return describeContainer({ type: "nest", table }, region, from);
}

function describeContainer(parent: ContainerShape, region: Region, from: number): Record<string, unknown> {
  const result: { malformed?: string; [name: string]: unknown } = {};
  const reader = new AttributeReader(region, from);
  try {
    while (reader.next()) {
      const name = parent.type === "nest" ? pathWithin(parent, reader.type, "") : String(reader.type);
      result[name] = describeValue(shapeWithin(parent, reader.type), reader);
    }
  } catch {
    result.malformed = `<${region.end - Math.max(from, reader.end)} bytes>`;
  }
  return result;
}

function describeValue(shape: Shape | undefined, at: AttributeReader): unknown {
  if (shape === undefined) return `<${at.length} bytes>`;
  if (isContainer(shape)) return describeContainer(shape, at, at.start);
  if (shape.type === "bytes" && shape.secret === true) return `<${at.length} bytes redacted>`;
  let value: unknown;
  try {
    value = decodeValue(shape, at, "");
  } catch {
    return `<${at.length} bytes, not a ${shape.type}>`;
  }
  if (value instanceof Uint8Array) return describeBytes(shape, value);
  // Counters are exact as numbers up to 2^53, and JSON has no other integers.
  return typeof value === "bigint"
    ? value <= Number.MAX_SAFE_INTEGER
      ? Number(value)
      : String(value)
    : value;
}

function describeBytes(shape: Shape, value: Uint8Array): string {
  if (shape.type === "bytes") return `<${Buffer.from(value).toString("hex")}>`;
  if (value.length === 4) return value.join(".");
  const groups: string[] = [];
  for (let at = 0; at < value.length; at += 2) {
    groups.push((((value[at] as number) << 8) | (value[at + 1] as number)).toString(16));
  }
  return groups.join(":");
}
