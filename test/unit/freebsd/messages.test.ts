import { describe, expect, test } from "vitest";
import { errnoCode, errnoNumber } from "../../../src/ffi/errno.ts";
import {
  delKey,
  newKey,
  newPeer,
  onlyPeer,
  readNotification,
  readPeerStats,
  readPending,
  setIfMode,
  setPeer,
} from "../../../src/freebsd/messages.ts";
import { decodeList } from "../../../src/freebsd/nvlist/decode.ts";
import { encodeList } from "../../../src/freebsd/nvlist/encode.ts";
import type { NvList } from "../../../src/freebsd/nvlist/list.ts";
import { CAPTURED, golden } from "./vectors.ts";

const bytes = (from: number, length: number) => Uint8Array.from({ length }, (_, at) => from + at);
const key = (length: number) => ({
  encrypt: { key: bytes(0, length), nonceTail: bytes(0xa0, 8) },
  decrypt: { key: bytes(0x80, length), nonceTail: bytes(0xb0, 8) },
});
const none = { local: undefined, vpn4: undefined, vpn6: undefined };
/** The lists as sets: the kernel finds pairs by name. */
const sorted = (list: NvList): unknown =>
  [...list]
    .map((pair) => (pair.type === "nvlist" ? { ...pair, value: sorted(pair.value) } : pair))
    .sort((one, other) => (one.name < other.name ? -1 : 1));

describe("requests are those that libnv packed", () => {
  test.each([
    ["del_peer", onlyPeer(2)],
    ["swap_keys", onlyPeer(2)],
    ["set_peer", setPeer(2, { interval: 10, timeout: 60 })],
    ["del_key_primary", delKey(2, "primary")],
    ["del_key_secondary", delKey(2, "secondary")],
    ["set_ifmode_broadcast", setIfMode(0x8002)],
    ["set_ifmode_pointopoint", setIfMode(0x8010)],
  ])("%s", (name, list) => {
    expect(encodeList(list).toString("hex")).toBe(golden(name).toString("hex"));
  });

  test.each([
    ["new_key_AES-128-GCM_primary", "aes-128-gcm", "primary", 0, 16],
    ["new_key_AES-192-GCM_primary", "aes-192-gcm", "primary", 0, 24],
    ["new_key_AES-256-GCM_primary", "aes-256-gcm", "primary", 0, 32],
    ["new_key_AES-256-GCM_secondary", "aes-256-gcm", "secondary", 1, 32],
    ["new_key_CHACHA20-POLY1305_primary", "chacha20-poly1305", "primary", 0, 32],
  ] as const)("%s", (name, cipher, slot, keyId, length) => {
    const list = newKey({ peer: 2, slot, keyId, cipher, ...key(length) });
    expect(encodeList(list).toString("hex")).toBe(golden(name).toString("hex"));
  });

  test("new_peer over IPv4, and over an IPv6 socket with an IPv4 remote", () => {
    const remote = { bytes: Uint8Array.of(192, 0, 2, 2), port: 1195, scopeId: 0 };
    const four = newPeer({ id: 0xffffff, fd: 7, family: 4, remote, ...none });
    expect(sorted(four)).toEqual(sorted(decodeList(golden("new_peer_inet_remote_only_p2p"))));
    const mapped = newPeer({ id: 4, fd: 6, family: 6, remote, ...none });
    expect(sorted(mapped)).toEqual(sorted(decodeList(golden("new_peer_inet6_v4mapped_remote_only"))));
  });
});

describe("replies", () => {
  const captured = (what: string) => {
    const reply = CAPTURED.replies.find((each) => each.what === what);
    if (reply === undefined) throw new Error(`there is no reply ${what}`);
    return decodeList(Buffer.from(reply.packed, "hex"));
  };

  test("every captured notification of a kernel is understood", () => {
    const notifications = CAPTURED.replies.filter((reply) => reply.ifd_cmd === 11);
    expect(notifications.length).toBeGreaterThan(4);
    for (const { what } of notifications) expect(readNotification(captured(what)).type).not.toBe("unknown");
  });

  test("statistics of peers, of none too", () => {
    expect(readPeerStats(decodeList(golden("reply_get_peer_stats_no_peers")))).toEqual([]);
    expect(readPeerStats(decodeList(golden("reply_get_peer_stats_2")))).toMatchObject([
      { id: 0, packets: { in: 100n, out: 200n } },
      { id: 2 },
    ]);
    expect(readPending(decodeList(golden("reply_poll_pkt_3")))).toBe(3);
  });

  test("deletions with reason and counters, floats with address and scope", () => {
    expect(readNotification(decodeList(golden("reply_get_pkt_del_peer_timeout")))).toMatchObject({
      type: "deleted",
      peer: 2,
      reason: 1,
      counters: { packets: { in: 11n } },
    });
    expect(readNotification(decodeList(golden("reply_get_pkt_rotate_key")))).toEqual({
      type: "rotate-key",
      peer: 2,
    });
    expect(readNotification(decodeList(golden("reply_get_pkt_float_inet")))).toMatchObject({
      type: "float",
      remote: { address: "192.0.2.2", port: 1195 },
    });
  });

  test("an answer that lacks something is a protocol error", () => {
    for (const list of [[], onlyPeer(1)]) {
      expect(() => readNotification(list)).toThrowError(expect.objectContaining({ code: "protocol" }));
      expect(() => readPending(list)).toThrowError(expect.objectContaining({ code: "protocol" }));
    }
  });
});

/** What the measured sheet says that the kernel answers, and what that means to callers. */
test.each([
  ["EINVAL", 22, "invalid"],
  ["EEXIST", 17, "exists"],
  ["EBUSY", 16, "busy"],
  ["EPROTOTYPE", 41, "socket"],
  ["ENOTSOCK", 38, "socket"],
  ["EBADF", 9, "socket"],
  ["E2BIG", 7, "invalid"],
  ["EOPNOTSUPP", 45, "unsupported"],
  ["ENOENT", 2, "not-found"],
  ["ENXIO", 6, "not-found"],
  ["EPERM", 1, "permission"],
  ["ENOSPC", 28, "system"],
  ["ENOLINK", 91, "system"],
] as const)("%s is %d on FreeBSD, and %s", (name, number, code) => {
  expect(errnoNumber(name, "freebsd")).toBe(number);
  expect(errnoCode(number, "freebsd")).toBe(code);
});

test("the captured calls end with errno numbers that are known", () => {
  const refused = CAPTURED.errors.flatMap(({ result }) => [...(/^([A-Z0-9]+) \((\d+)\)/.exec(result) ?? [])]);
  expect(refused.length).toBeGreaterThan(30);
  for (const { result } of CAPTURED.errors) {
    const [, name, number] = /^([A-Z0-9]+) \((\d+)\)/.exec(result) ?? [];
    if (name === undefined || name === "ENOTSUP") continue;
    expect([name, errnoNumber(name, "freebsd")]).toEqual([name, Number(number)]);
  }
});
