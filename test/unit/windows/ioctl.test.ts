/**
 * Sizes, offsets and numbers against what a compiler made of the driver's headers, of both generations.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ENUMS, IOCTL_NAMES, ioctlCode, STRUCTS, type Struct } from "../../../src/windows/ioctl.ts";

interface Generation {
  readonly structs: Record<
    string,
    { size: number; align: number; fields: Record<string, { offset: number; size: number }> }
  >;
  readonly enums: Record<string, { size: number; values: Record<string, number> }>;
  readonly ioctls: Record<string, { code: number }>;
}

const path = new URL("../../vectors/ovpn-dco-win-layout.json", import.meta.url);
const file = JSON.parse(readFileSync(path, "utf8")) as Record<string, Generation>;
const generations = Object.entries(file).filter(([name]) => /^(ovpn-dco-win|openvpn)/.test(name));
const structs: Readonly<Record<string, Struct>> = STRUCTS;

test("there are two generations", () => {
  expect(generations.map(([name]) => name.split(" ")[0])).toEqual(["ovpn-dco-win-2.0.0", "openvpn-master"]);
});

describe.each(generations)("%s", (_name, generation) => {
  test.each(Object.entries(generation.structs))("%s", (name, layout) => {
    const ours = structs[name];
    expect(ours).toMatchObject({ size: layout.size, align: layout.align });
    // `Local.Addr4` and the like are views of one field.
    const whole = Object.entries(layout.fields).filter(([field]) => !field.includes("."));
    const fields = Object.fromEntries(whole.map(([field, { offset, size }]) => [field, [offset, size]]));
    expect(ours?.fields).toEqual(fields);
  });

  test.each(Object.entries(generation.ioctls))("%s", (name, { code }) => {
    expect(ioctlCode(name.replace("OVPN_IOCTL_", "") as never)).toBe(code);
  });

  test.each(Object.entries(generation.enums))("%s", (name, { size, values }) => {
    expect(size).toBe(4);
    const ours: Readonly<Record<string, number>> = ENUMS[name as keyof typeof ENUMS];
    const theirs = new Set(Object.values(values));
    if (name === "OVPN_CIPHER_ALG") theirs.delete(0);
    expect(new Set(Object.values(ours))).toEqual(theirs);
    for (const [constant, number] of Object.entries(values)) {
      const word = constant.replace(/^OVPN_(PROTO|KEY_SLOT|MODE|CMD|DEL_PEER_REASON|CIPHER_ALG)_/, "");
      const key = { P2P: "p2p", MP: "multipeer", AES_GCM: "aes-256-gcm" }[word] ?? word;
      const names = [key, key.toLowerCase().replaceAll("_", "-")];
      if (word !== "NONE") expect(names.map((each) => ours[each])).toContain(number);
    }
  });
});

test("nothing is declared that the newer header does not have", () => {
  const newest = generations[1]?.[1] as Generation;
  expect(Object.keys(structs).sort()).toEqual(Object.keys(newest.structs).sort());
  expect(IOCTL_NAMES.map((name) => `OVPN_IOCTL_${name}`).sort()).toEqual(Object.keys(newest.ioctls).sort());
  expect(Object.keys(ENUMS).sort()).toEqual(Object.keys(newest.enums).sort());
});
