/** Compiles a check of the simulator's structures: sizes, offsets and values as in test/vectors/ovpn-dco-win-layout.json. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inRoot } from "../paths.ts";
import { compile } from "./compiler.ts";

interface Header {
  readonly structs: Readonly<
    Record<
      string,
      { size: number; align: number; fields: Readonly<Record<string, { offset: number; size: number }>> }
    >
  >;
  readonly enums: Readonly<Record<string, { size: number; values: Readonly<Record<string, number>> }>>;
  readonly ioctls: Readonly<Record<string, { code: number }>>;
  readonly constants: Readonly<Record<string, number>>;
}

/** Every fact as an assertion; the names of a struct's members are the header's own. */
function assertions({ structs, enums, ioctls, constants }: Header): string[] {
  const lines: string[] = [];
  const same = (found: string, wanted: number) =>
    lines.push(`_Static_assert(${found} == ${wanted}, "${found} is ${wanted}");`);
  for (const [name, { size, align, fields }] of Object.entries(structs)) {
    same(`sizeof(${name})`, size);
    same(`_Alignof(${name})`, align);
    for (const [field, at] of Object.entries(fields)) {
      same(`offsetof(${name}, ${field})`, at.offset);
      same(`sizeof(((${name} *)0)->${field})`, at.size);
    }
  }
  for (const [name, { size, values }] of Object.entries(enums)) {
    same(`sizeof(${name})`, size);
    for (const [value, number] of Object.entries(values)) same(value, number);
  }
  for (const [name, { code }] of Object.entries(ioctls)) same(name, code);
  for (const [name, value] of Object.entries(constants)) same(name, value);
  return lines;
}

/** Throws if one is not so; returns how many were compared. */
export function checkLayouts(folder: string): number {
  const text = readFileSync(inRoot("test", "vectors", "ovpn-dco-win-layout.json"), "utf8");
  const entries = Object.values(JSON.parse(text) as Record<string, Partial<Header> | string>);
  const lines = entries.flatMap((entry) =>
    typeof entry === "object" && "structs" in entry ? assertions(entry as Header) : [],
  );
  const file = join(folder, "layouts.c");
  writeFileSync(file, ["#include <stddef.h>", '#include "protocol.h"', ...lines, ""].join("\n"));
  compile(["-fsyntax-only", "-I.", file]);
  return lines.length;
}
