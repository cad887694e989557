/**
 * VPN addresses on the module that lets two peers have the same one.
 */
import { expect, test } from "vitest";
import { VpnAddresses } from "../../../src/linux/vpn-addresses.ts";

const v4 = (last: number) => Uint8Array.of(10, 8, 0, last);
const v6 = (last: number) => Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last);
const peer = (id: number, vpn4?: Uint8Array, vpn6?: Uint8Array) => ({ id, vpn4, vpn6 });

test("a second peer with an address of either family is refused, by name of the first", () => {
  const addresses = new VpnAddresses();
  addresses.claim(peer(1, v4(2), v6(2)));
  for (const other of [peer(2, v4(2)), peer(2, undefined, v6(2)), peer(2, v4(3), v6(2))]) {
    expect(() => addresses.claim(other)).toThrow(/another peer, 1, has the VPN address/);
  }
  // What was refused has claimed nothing.
  addresses.claim(peer(3, v4(3)));
});

test("an address is free again with its peer's end, and only then", () => {
  const addresses = new VpnAddresses();
  addresses.claim(peer(1, v4(2)));
  addresses.release(2);
  expect(() => addresses.claim(peer(2, v4(2)))).toThrow();
  addresses.release(1);
  addresses.claim(peer(2, v4(2)));
});

test("peers of others count as soon as the kernel has told of them", () => {
  const addresses = new VpnAddresses();
  addresses.note([{ id: 7, vpn4: "10.8.0.2", vpn6: "fd00::2" }]);
  expect(() => addresses.claim(peer(1, v4(2)))).toThrow(/another peer, 7/);
  expect(() => addresses.claim(peer(1, undefined, v6(2)))).toThrow(/another peer, 7/);
});

test("several are claimed together or not at all", () => {
  const addresses = new VpnAddresses();
  expect(addresses.claimAll([peer(1, v4(2)), peer(2, v4(3)), peer(3, v4(2))])).toBe(false);
  expect(addresses.claimAll([peer(5, v4(2)), peer(6, v4(3))])).toBe(true);
});

test("a change of one family leaves the other, is refused like a new peer, and can be taken back", () => {
  const addresses = new VpnAddresses();
  addresses.claim(peer(1, v4(2), v6(2)));
  addresses.claim(peer(2, v4(3), v6(3)));
  expect(() => addresses.change(peer(2, undefined, v6(2)))).toThrow(/another peer, 1/);
  const undo = addresses.change(peer(2, v4(4)));
  expect(() => addresses.claim(peer(3, undefined, v6(3)))).toThrow(/another peer, 2/);
  expect(() => addresses.claim(peer(3, v4(4)))).toThrow(/another peer, 2/);
  addresses.claim(peer(3, v4(3)));
  addresses.release(3);
  undo();
  expect(() => addresses.claim(peer(3, v4(3)))).toThrow(/another peer, 2/);
  addresses.claim(peer(3, v4(4)));
});

test("the unspecified address takes away", () => {
  const addresses = new VpnAddresses();
  addresses.claim(peer(1, v4(2), v6(2)));
  addresses.claim(peer(2, v4(3)));
  addresses.change(peer(1, new Uint8Array(4)));
  addresses.claim(peer(3, v4(2)));
  addresses.change(peer(2, new Uint8Array(4)));
  addresses.claim(peer(4, v4(3)));
});
