/**
 * Every request to the driver of Windows, byte by byte, and that it is answered. These cases look into the driver, so
 * they need its simulator.
 */
import assert from "node:assert/strict";
import { WireTracer } from "../../../src/core/trace.ts";
import { parseEndpoint, parsePrefix } from "../../../src/core/validate.ts";
import { OvpnExchange } from "../../../src/windows/exchange.ts";
import { IOCTL_NAMES, type IoctlName, ioctlCode } from "../../../src/windows/ioctl.ts";
import type { Command, Requests } from "../../../src/windows/messages.ts";
import { type Case, group } from "../case.ts";
import { inTime } from "../expect.ts";
import { freePath, parts } from "../windows/opened.ts";
import type { WindowsWorld } from "../windows/world.ts";

/** CryptoOptions of 2.8 and later. */
const EPOCH = 2;

type Sent = { readonly [C in Command]: readonly [C, Requests[C], string] }[Command];

const endpoint = (text: string) => parseEndpoint(text, "x", { port: "any" });
const prefix = (text: string) => parsePrefix(text, "x", { hostBits: "refuse" });
const bytes = (length: number, byte: number) => new Uint8Array(length).fill(byte);
const key = (slot: "primary" | "secondary", byte: number) => ({
  slot,
  id: slot === "primary" ? 0 : 1,
  cipher: "aes-128-gcm" as const,
  encryptKey: bytes(16, byte),
  encryptNonceTail: bytes(8, byte + 1),
  decryptKey: bytes(16, byte + 2),
  decryptNonceTail: bytes(8, byte + 3),
});
const keyHex = (slot: number, byte: number, peer: string) => {
  const hex = (value: number, count: number) => value.toString(16).padStart(2, "0").repeat(count);
  const direction = (at: number) => `${hex(at, 16)}${hex(0, 16)}10${hex(at + 1, 8)}`;
  const rest = `0000 0${slot}000000 01000000 0${slot}000000 ${peer}`;
  return `${direction(byte)} ${direction(byte + 2)} ${rest}`;
};
const zeros = (count: number) => "00".repeat(count);

/** Every request, with its bytes written by hand; in an order in which the driver takes them. */
const P2P: readonly Sent[] = [
  ["GET_VERSION", undefined, ""],
  [
    "NEW_PEER",
    { local: undefined, remote: endpoint("127.0.0.1:1194"), protocol: "udp" },
    `0200 ${zeros(26)} 0200 04aa 7f000001 ${zeros(20)} 00000000`,
  ],
  ["START_VPN", undefined, ""],
  ["NEW_KEY", { peer: 5, key: key("primary", 0x11) }, keyHex(0, 0x11, "05000000")],
  ["NEW_KEY", { peer: 5, key: key("secondary", 0x21) }, keyHex(1, 0x21, "05000000")],
  ["SWAP_KEYS", undefined, ""],
  ["SET_PEER", { interval: 10, timeout: 60 }, "0a000000 3c000000 00000000"],
  ["GET_STATS", undefined, ""],
  ["DEL_PEER", undefined, ""],
];

const MULTIPEER: readonly Sent[] = [
  ["SET_MODE", { mode: "multipeer" }, "01000000"],
  [
    "MP_START_VPN",
    { listen: endpoint("127.0.0.1:0"), ipv6Only: true },
    `0200 0000 7f000001 ${zeros(20)} 01000000`,
  ],
  [
    "MP_NEW_PEER",
    {
      peer: 5,
      family: 4,
      remote: endpoint("127.0.0.1:40000"),
      vpn4: Uint8Array.of(10, 8, 0, 2),
      vpn6: undefined,
    },
    `0200 ${zeros(26)} 0200 9c40 7f000001 ${zeros(20)} 0a080002 ${zeros(16)} 05000000`,
  ],
  ["NEW_KEY", { peer: 5, key: key("primary", 0x31) }, keyHex(0, 0x31, "05000000")],
  ["NEW_KEY", { peer: 5, key: key("secondary", 0x41) }, keyHex(1, 0x41, "05000000")],
  ["MP_SWAP_KEYS", { peer: 5 }, "05000000"],
  ["MP_SET_PEER", { peer: 5, interval: 10, timeout: 60 }, "05000000 0a000000 3c000000 00000000"],
  [
    "MP_ADD_IROUTE",
    { peer: 5, prefix: prefix("192.168.5.0/24") },
    `c0a80500 ${zeros(12)} 18000000 05000000 00000000`,
  ],
  [
    "MP_ADD_IROUTE",
    { peer: 5, prefix: prefix("2001:db8::/32") },
    `20010db8 ${zeros(12)} 20000000 05000000 01000000`,
  ],
  ["MP_DEL_IROUTE", { prefix: prefix("192.168.5.0/24") }, `c0a80500 ${zeros(12)} 18000000 ffffffff 00000000`],
  ["GET_PEER_STATS", { peer: -1 }, "ffffffff"],
  ["GET_STATS", undefined, ""],
  ["MP_DEL_PEER", { peer: 5 }, "05000000"],
  // Its event is queued, so it does not wait.
  ["NOTIFY_EVENT", undefined, ""],
];

async function sendAll(world: WindowsWorld, mode: "p2p" | "multipeer", all: readonly Sent[]): Promise<void> {
  const { simulator } = parts(world);
  const { path, at, devices } = await freePath(world);
  const exchange = new OvpnExchange(devices, path, { mode, tracer: new WireTracer(undefined), name: "test" });
  try {
    await simulator.at(at).requests();
    for (const [command, input, hex] of all) {
      await inTime(exchange.ioctl(command, input as never), command);
      const [request, ...others] = await simulator.at(at).requests();
      assert.deepEqual(others, [], command);
      assert.equal(request?.code, ioctlCode(command));
      assert.equal(request?.bytes.toString("hex"), hex.replaceAll(" ", ""), command);
    }
  } finally {
    await exchange.close();
  }
}

const cases: Omit<Case, "group">[] = [
  {
    name: "every request of p2p mode arrives byte for byte and is answered, by each generation of the driver",
    async run(given) {
      const { world, simulator } = parts(given);
      for (const version of ["1.3.3", "2.0.1", "2.8.6"]) {
        const { at } = await freePath(world);
        await simulator.at(at).configure(version);
        world.onClose(() => simulator.at(at).configure("2.8.6"));
        await sendAll(world, "p2p", P2P);
      }
    },
  },
  {
    name: "every request of multi-peer mode arrives byte for byte and is answered",
    async run(given) {
      const { world } = parts(given);
      await sendAll(world, "multipeer", MULTIPEER);
    },
  },
  {
    name: "the one request that is never sent, a key of epochs, arrives byte for byte in its layout, and is one that drivers have",
    async run(given) {
      const { world, simulator } = parts(given);
      for (const [version, options] of [
        ["1.4.0", 0],
        ["2.4.0", 0],
        ["2.8.6", EPOCH],
      ] as const) {
        const { path, at, devices } = await freePath(world);
        await simulator.at(at).configure(version);
        world.onClose(() => simulator.at(at).configure("2.8.6"));
        const device = devices.open(path, "exclusive");
        const ask = async (name: IoctlName, hex: string) => {
          const input = Buffer.from(hex.replaceAll(" ", ""), "hex");
          const { failure } = await device.ioctl(ioctlCode(name), input, 0).outcome;
          assert.equal(failure, undefined, `${name} of ${version}`);
        };
        try {
          await ask("NEW_PEER", `0200 ${zeros(26)} 0200 04aa 7f000001 ${zeros(20)} 00000000`);
          await simulator.at(at).requests();
          const v2 = `${keyHex(1, 0x51, "05000000")} 0${options}000000`;
          await ask("NEW_KEY_V2", v2);
          const [request] = await simulator.at(at).requests();
          assert.equal(request?.code, 0x220024);
          assert.deepEqual(
            [request?.inLength, request?.bytes.toString("hex")],
            [104, v2.replaceAll(" ", "")],
          );
          const [, held] = (await simulator.at(at).peer()).keys;
          const direction = (byte: number) =>
            Buffer.concat([bytes(16, byte), bytes(16, 0), bytes(1, 16), bytes(8, byte + 1)]);
          assert.deepEqual(held, {
            cipher: 1,
            keyId: 1,
            options,
            encrypt: direction(0x51),
            decrypt: direction(0x53),
          });
        } finally {
          await device.close();
        }
      }
    },
  },
  {
    name: "no request of the driver's is left out here",
    async run(given) {
      parts(given);
      const sent = new Set([...P2P, ...MULTIPEER].map(([command]) => command as string));
      assert.deepEqual(
        IOCTL_NAMES.filter((name) => !sent.has(name)),
        ["NEW_KEY_V2"],
      );
    },
  },
];

export const windowsRequestCases = group("Windows", cases);
