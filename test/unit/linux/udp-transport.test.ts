/**
 * UDP transports on sockets of this machine. No kernel module is needed: without peers they are plain sockets.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import type { OpenTransportRequest } from "../../../src/core/backend.ts";
import { type Ffi, loadFfi } from "../../../src/ffi/index.ts";
import { createPosix, type Posix } from "../../../src/ffi/posix.ts";
import { packSockaddr } from "../../../src/ffi/sockaddr.ts";
import type { NamespaceContext } from "../../../src/linux/context.ts";
import { openUdpTransport, type UdpTransport } from "../../../src/linux/udp-transport.ts";
import { AF_INET, SOCK_DGRAM } from "../../../src/sockets/socket-address.ts";

const context = { run: <T>(body: () => T) => body() } as NamespaceContext;
const loopback = { family: 4, bytes: Uint8Array.of(127, 0, 0, 1), text: "127.0.0.1", scopeId: 0 } as const;
const packet = Uint8Array.of(0x38, 1, 2, 3);

function request(adopt: OpenTransportRequest["adopt"] = undefined): OpenTransportRequest {
  return {
    protocol: "udp",
    local: { ...loopback, port: 0 },
    remote: undefined,
    dualStack: false,
    adopt,
    queueLimit: 8,
    receiveBuffer: 65536,
    extras: {},
  };
}

const descriptors = () => readdirSync("/proc/self/fd").length;

describe.runIf(process.platform === "linux")("on a socket of this machine", () => {
  let ffi: Ffi;
  let posix: Posix;

  beforeAll(() => {
    ffi = loadFfi();
    posix = createPosix(ffi);
  });

  const poor = (): Ffi => ({
    ...ffi,
    watchReadable: () => {
      throw new Error("out of descriptors");
    },
  });

  /** Starts it, with what it hands up. */
  function start(transport: UdpTransport) {
    const packets: Uint8Array[] = [];
    const ends: (Error | undefined)[] = [];
    transport.start({ onPacket: (data) => packets.push(data), onEnd: (error) => ends.push(error) });
    return { packets, ends };
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  test("a remote that is not there yet ends no adopted socket that is connected", async () => {
    const other = createSocket("udp4").bind(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address();
    other.close();
    await once(other, "close");
    const fd = posix.socket(AF_INET, SOCK_DGRAM, 0);
    posix.connect(fd, packSockaddr({ address: "127.0.0.1", port }));
    const transport = openUdpTransport(ffi, posix, context, request({ fd, ownership: "take" }), "framed");
    const { packets, ends } = start(transport);
    // The answer to each is an ICMP "port unreachable", which the next call on the socket fails with.
    for (let n = 0; n < 3; n++) {
      await transport.send(packet, { ...loopback, port });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(ends).toEqual([]);
    const later = createSocket("udp4").bind(port, "127.0.0.1");
    await once(later, "listening");
    later.send(packet, transport.local.port, "127.0.0.1");
    await until(() => packets.length > 0);
    later.close();
    await transport.close();
    expect(ends).toEqual([]);
  });

  test("one that cannot be watched gives its descriptor back", async () => {
    const before = descriptors();
    const transport = openUdpTransport(poor(), posix, context, request(), "framed");
    expect(() => start(transport)).toThrow("out of descriptors");
    await transport.close();
    expect(descriptors()).toBe(before);
  });

  test("unless it was to be taken: then it stays the caller's", async () => {
    const fd = posix.socket(AF_INET, SOCK_DGRAM, 0);
    posix.bind(fd, packSockaddr({ address: "127.0.0.1", port: 0 }));
    const transport = openUdpTransport(poor(), posix, context, request({ fd, ownership: "take" }), "framed");
    expect(() => start(transport)).toThrow("out of descriptors");
    await transport.close();
    expect(posix.fcntlGetFd(fd)).toBe(1);
    posix.close(fd);
  });

  test("closing twice, and one that was never started, leaves nothing", async () => {
    const before = descriptors();
    const transport = openUdpTransport(ffi, posix, context, request(), "framed");
    await Promise.all([transport.close(), transport.close()]);
    expect(descriptors()).toBe(before);
    await expect(transport.send(packet, { ...loopback, port: 9 })).rejects.toMatchObject({ code: "closed" });
  });
});
