import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import {
  checkRemoteFamily,
  parseEndpoint,
  validateListen,
  validateOpenTransport,
  validateSend,
} from "../../../src/core/validate.ts";
import { capabilities, expectInvalid, expectUnsupported, rules } from "./fixtures.ts";

const open = (options: unknown, kernel = capabilities()) => validateOpenTransport(options, rules, kernel);
const listen = (options: unknown, kernel = capabilities()) => validateListen(options, rules, kernel);
const send = (packet: unknown, options?: unknown) => validateSend(packet, options, capabilities());

/** A control packet: opcode 4 (P_CONTROL_V1), key id 0. */
const control = Uint8Array.of(4 << 3, 1, 2, 3);

describe("openTransport", () => {
  it("fills in defaults", () => {
    const checked = open({ protocol: "udp", local: "0.0.0.0:1194" });
    expect(checked).toMatchObject({ local: { text: "0.0.0.0", port: 1194 }, dualStack: false });
    expect(checked).toMatchObject({ remote: undefined, adopt: undefined, extras: {} });
    expect(checked).toMatchObject({ queueLimit: 1024, receiveBuffer: 4 * 1024 * 1024 });
  });

  it("leaves local out where only a remote is given", () => {
    const checked = open({ protocol: "tcp", remote: "192.0.2.1:443" });
    expect(checked).toMatchObject({ local: undefined, remote: { text: "192.0.2.1" }, dualStack: false });
    expect(open({ protocol: "udp", remote: "[2001:db8::1]:443" }).dualStack).toBe(false);
    expect(open({ protocol: "udp", remote: "[2001:db8::1]:443", dualStack: true }).dualStack).toBe(true);
  });

  it("is dual-stack on :: unless told otherwise, where the kernel can", () => {
    const kernel = capabilities({ dualStack: false });
    expect(open({ protocol: "udp", local: "[::]:0" }).dualStack).toBe(true);
    expect(open({ protocol: "udp", local: "[::]:0", dualStack: false }).dualStack).toBe(false);
    expect(open({ protocol: "udp", local: "[::]:0" }, kernel).dualStack).toBe(false);
    expect(open({ protocol: "udp", local: "[2001:db8::1]:0" }).dualStack).toBe(false);
    expect(open({ protocol: "udp", local: "[::]:0", remote: "192.0.2.1:1194" }).dualStack).toBe(true);
    const local = "[::]:0";
    expectUnsupported(() => open({ protocol: "udp", local, dualStack: true }, kernel), "dualStack");
    expectUnsupported(() => open({ protocol: "udp", local, remote: "192.0.2.1:1" }, kernel), "dualStack");
  });

  it("adopts a socket", () => {
    const remote = "192.0.2.1:1194";
    expect(open({ protocol: "udp", adopt: { fd: 0 }, remote })).toMatchObject({
      local: undefined,
      remote: { text: "192.0.2.1" },
      adopt: { fd: 0, ownership: "keep" },
      dualStack: false,
    });
    expect(open({ protocol: "tcp", adopt: { fd: 9, ownership: "take" } }).adopt).toEqual({
      fd: 9,
      ownership: "take",
    });
    expectUnsupported(
      () => open({ protocol: "udp", adopt: { fd: 9 } }, capabilities({ adoptSocket: false })),
      "adoptSocket",
    );
  });

  it("adopts a net.Socket, and copies what was read before", () => {
    const socket = new Socket();
    const head = Uint8Array.of(1, 2);
    const checked = open({ protocol: "tcp", adopt: { socket, head } });
    head.fill(9);
    expect(checked.adopt).toBeUndefined();
    expect(checked.adoptNode).toBe(socket);
    expect(checked.head).toEqual(Uint8Array.of(1, 2));
    expect(open({ protocol: "tcp", adopt: { fd: 9, head } }).head).toEqual(Uint8Array.of(9, 9));
  });

  it("passes the platform's options on", () => {
    expect(open({ protocol: "udp", local: "0.0.0.0:0", mark: 7 }).extras).toEqual({ mark: 7 });
    expectInvalid(() => open({ protocol: "udp", local: "0.0.0.0:0", mark: "7" }), "mark", /must be a number/);
  });

  it.each<[string, object, string, RegExp]>([
    ["no protocol", { local: "0.0.0.0:0" }, "protocol", /is missing/],
    ["another protocol", { protocol: "sctp", local: "0.0.0.0:0" }, "protocol", /"udp" or "tcp"/],
    ["an unknown option", { protocol: "udp", local: "0.0.0.0:0", port: 1 }, "port", /unknown option "port"/],
    ["neither end", { protocol: "udp" }, "local", /needs local, remote or adopt/],
    ["TCP without a remote", { protocol: "tcp", local: "0.0.0.0:0" }, "remote", /is missing/],
    ["remote port 0", { protocol: "udp", remote: "192.0.2.1:0" }, "remote.port", /from 1 to 65535/],
    [
      "a bad remote address",
      { protocol: "udp", remote: "1.2.3:1" },
      "remote.address",
      /is not an IP address/,
    ],
    ["an unspecified remote", { protocol: "udp", remote: "0.0.0.0:1" }, "remote.address", /unspecified/],
    ["a multicast remote", { protocol: "udp", remote: "224.0.0.1:1" }, "remote.address", /multicast/],
    ["a broadcast remote", { protocol: "udp", remote: "255.255.255.255:1" }, "remote.address", /broadcast/],
    ["a multicast local", { protocol: "udp", local: "[ff02::1]:1" }, "local.address", /multicast/],
    [
      "mixed families",
      { protocol: "udp", local: "192.0.2.2:0", remote: "[2001:db8::1]:1" },
      "remote",
      /cannot be reached from the local address/,
    ],
    [
      "mixed families the other way",
      { protocol: "udp", local: "[2001:db8::2]:0", remote: "192.0.2.1:1" },
      "remote",
      /cannot be reached/,
    ],
    [
      "an IPv4 remote from :: that is not dual-stack",
      { protocol: "udp", local: "[::]:0", remote: "192.0.2.1:1", dualStack: false },
      "remote",
      /cannot be reached/,
    ],
    ["dual-stack IPv4", { protocol: "udp", local: "0.0.0.0:0", dualStack: true }, "dualStack", /IPv6 socket/],
    ["dual-stack to IPv4", { protocol: "udp", remote: "192.0.2.1:1", dualStack: true }, "dualStack", /IPv6/],
    [
      "dual-stack on one address",
      { protocol: "udp", local: "[::1]:0", dualStack: true },
      "dualStack",
      /\(::\)/,
    ],
    [
      "dualStack as a number",
      { protocol: "udp", local: "[::]:0", dualStack: 1 },
      "dualStack",
      /true or false/,
    ],
    ["a negative fd", { protocol: "udp", adopt: { fd: -1 } }, "adopt.fd", /from 0 to/],
    ["an fd that is no number", { protocol: "udp", adopt: { fd: "3" } }, "adopt.fd", /not a string/],
    ["a bare fd", { protocol: "udp", adopt: 3 }, "adopt", /must be an object/],
    [
      "another ownership",
      { protocol: "udp", adopt: { fd: 3, ownership: "lend" } },
      "adopt.ownership",
      /"keep"/,
    ],
    [
      "an unknown field of adopt",
      { protocol: "udp", adopt: { fd: 3, own: 1 } },
      "adopt.own",
      /unknown option/,
    ],
    ["a socket that is none", { protocol: "tcp", adopt: { socket: {} } }, "adopt.socket", /net.Socket/],
    [
      "a socket and a descriptor",
      { protocol: "tcp", adopt: { socket: new Socket(), fd: 3 } },
      "adopt.fd",
      /not both/,
    ],
    [
      "who owns a socket",
      { protocol: "tcp", adopt: { socket: new Socket(), ownership: "keep" } },
      "adopt.ownership",
      /always taken/,
    ],
    [
      "a net.Socket for UDP",
      { protocol: "udp", adopt: { socket: new Socket() } },
      "adopt.socket",
      /a TCP socket/,
    ],
    [
      "a head for UDP",
      { protocol: "udp", adopt: { fd: 3, head: Uint8Array.of(1) } },
      "adopt.head",
      /for TCP/,
    ],
    ["a head as text", { protocol: "tcp", adopt: { fd: 3, head: "ab" } }, "adopt.head", /Uint8Array/],
    ["adopt and local", { protocol: "udp", adopt: { fd: 3 }, local: "0.0.0.0:0" }, "local", /bound already/],
    ["adopt and dualStack", { protocol: "udp", adopt: { fd: 3 }, dualStack: true }, "dualStack", /adopted/],
    [
      "adopt TCP and remote",
      { protocol: "tcp", adopt: { fd: 3 }, remote: "192.0.2.1:1" },
      "remote",
      /connected/,
    ],
    ["an empty queue", { protocol: "udp", local: "[::]:0", queueLimit: 0 }, "queueLimit", /from 1 to/],
    [
      "a fractional buffer",
      { protocol: "udp", local: "[::]:0", receiveBuffer: 0.5 },
      "receiveBuffer",
      /integer/,
    ],
    ["a bad signal", { protocol: "udp", local: "[::]:0", signal: true }, "signal", /AbortSignal/],
  ])("refuses %s", (_what, options, field, problem) => {
    expectInvalid(() => open(options), field, problem);
  });

  it("refuses a protocol that the kernel lacks", () => {
    const kernel = capabilities({ transports: ["udp"] });
    expectUnsupported(() => open({ protocol: "tcp", remote: "192.0.2.1:1" }, kernel), "transports");
  });
});

describe("listen", () => {
  it("fills in defaults", () => {
    expect(listen({ protocol: "tcp", local: "[::]:1194" })).toMatchObject({
      protocol: "tcp",
      local: { text: "::", port: 1194 },
      dualStack: true,
      queueLimit: 1024,
      backlog: 128,
      extras: {},
    });
  });

  it.each<[string, object, string, RegExp]>([
    ["no local address", { protocol: "tcp" }, "local", /is missing/],
    ["a remote", { protocol: "tcp", local: "[::]:1", remote: "192.0.2.1:1" }, "remote", /unknown option/],
    ["a bad signal", { protocol: "tcp", local: "[::]:1", signal: 1 }, "signal", /AbortSignal/],
    ["no room for connections", { protocol: "tcp", local: "[::]:1", backlog: 0 }, "backlog", /from 1 to/],
    ["dual-stack IPv4", { protocol: "tcp", local: "0.0.0.0:1", dualStack: true }, "dualStack", /IPv6/],
  ])("refuses %s", (_what, options, field, problem) => {
    expectInvalid(() => listen(options), field, problem);
  });

  it("refuses a protocol that the kernel lacks", () => {
    const kernel = capabilities({ listeners: ["udp"] });
    expectUnsupported(() => listen({ protocol: "tcp", local: "[::]:1" }, kernel), "listeners");
  });
});

describe("send", () => {
  it("takes a control packet, for the transport's remote, a peer or an address", () => {
    expect(send(control)).toEqual({ packet: control, peer: undefined, to: undefined });
    expect(send(control, { peer: 7 })).toMatchObject({ peer: 7, to: undefined });
    expect(send(control, { to: "192.0.2.1:1194" })).toMatchObject({ to: { text: "192.0.2.1", port: 1194 } });
    expect(send(new Uint8Array(1500).fill(control[0] as number)).packet).toHaveLength(1500);
  });

  it.each<[string, unknown, unknown, string, RegExp]>([
    ["text", "hello", undefined, "packet", /must be a Uint8Array, not a string/],
    ["an ArrayBuffer", new ArrayBuffer(4), undefined, "packet", /must be a Uint8Array/],
    ["nothing", undefined, undefined, "packet", /is missing/],
    [
      "a packet that the kernel takes for a broken frame",
      new Uint8Array(3).fill(0x38),
      undefined,
      "packet",
      /4 to 1500 bytes, not 3/,
    ],
    ["an empty packet", new Uint8Array(0), undefined, "packet", /4 to 1500 bytes, not 0/],
    ["a long packet", new Uint8Array(1501), undefined, "packet", /4 to 1500 bytes, not 1501/],
    ["shared memory", new Uint8Array(new SharedArrayBuffer(4)), undefined, "packet", /shared memory/],
    ["DATA_V2", Uint8Array.of((9 << 3) | 7, 0, 0, 0), undefined, "packet", /DATA_V2/],
    ["DATA_V1", Uint8Array.of(6 << 3, 0, 0, 0), undefined, "packet", /DATA_V1/],
    ["a bad peer id", control, { peer: -1 }, "peer", /from 0 to 16777214/],
    ["port 0", control, { to: "192.0.2.1:0" }, "to.port", /from 1/],
    ["a bad signal", control, { signal: 1 }, "signal", /AbortSignal/],
    ["two destinations", control, { peer: 1, to: "192.0.2.1:1" }, "to", /not to both/],
    ["an unknown option", control, { remote: "192.0.2.1:1" }, "remote", /unknown option/],
  ])("refuses %s", (_what, packet, options, field, problem) => {
    expectInvalid(() => send(packet, options), field, problem);
  });
});

describe("a peer's remote and its transport", () => {
  const v4 = parseEndpoint("192.0.2.1:1", "remote", { port: "nonzero" });
  const v6 = parseEndpoint("[2001:db8::1]:1", "remote", { port: "nonzero" });

  it("must be of one family, unless the transport is dual-stack", () => {
    checkRemoteFamily(v4, { family: 4, dualStack: false }, "remote");
    checkRemoteFamily(v6, { family: 6, dualStack: false }, "remote");
    checkRemoteFamily(v4, { family: 6, dualStack: true }, "remote");
    expectInvalid(
      () => checkRemoteFamily(v6, { family: 4, dualStack: false }, "remote"),
      "remote",
      /IPv4 transport/,
    );
    expectInvalid(
      () => checkRemoteFamily(v4, { family: 6, dualStack: false }, "peers[1].remote"),
      "peers[1].remote",
      /not dual-stack/,
    );
  });
});
