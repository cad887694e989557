import { expect, test } from "vitest";
import { addressText, endpointOf } from "../../../src/userspace/addresses.ts";
import { at } from "./support.ts";

test("addresses in the words of a socket", () => {
  expect(addressText(at("192.0.2.1:1194"), 4)).toBe("192.0.2.1");
  expect(addressText(at("192.0.2.1:1194"), 6)).toBe("::ffff:192.0.2.1");
  expect(addressText(at("[2001:db8::1]:1194"), 6)).toBe("2001:db8::1");
});

test("what a socket tells", () => {
  expect(endpointOf("::ffff:192.0.2.1", 7)).toEqual({ address: "192.0.2.1", port: 7 });
  expect(endpointOf("2001:db8:0:0:0:0:0:1", 7)).toEqual({ address: "2001:db8::1", port: 7 });
  expect(endpointOf("fe80::1%4242", 7)).toEqual({ address: "fe80::1", port: 7, scopeId: 4242 });
});
