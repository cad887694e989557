/**
 * Sockets that the SDK did not make.
 */
import { fstatSync } from "node:fs";
import { mapIpv4, parseIp } from "../../../src/core/ip.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import {
  AF_INET,
  AF_INET6,
  packSockaddrBytes,
  SOCKADDR_BYTES,
  unpackSockaddr,
} from "../../../src/ffi/sockaddr.ts";
import { eventually } from "../expect.ts";
import type { ForeignSocket } from "../world.ts";
import type { FreebsdSite } from "./network.ts";

const SOCK_DGRAM = 2;

/** See `World.openSocket`. */
export function openForeignSocket(site: FreebsdSite, family: 4 | 6): ForeignSocket {
  const posix = createPosix(loadFfi());
  const fd = site.sockets.socket(family === 6 ? AF_INET6.freebsd : AF_INET, SOCK_DGRAM, 0);
  if (family === 6) posix.setsockopt(fd, 41, 27, 0);
  const address = family === 6 ? new Uint8Array(16) : (parseIp(site.ipv4) as Uint8Array);
  site.sockets.bind(fd, packSockaddrBytes(address, 0));
  const bytes = Buffer.alloc(SOCKADDR_BYTES);
  posix.getsockname(fd, bytes);
  const { port } = unpackSockaddr(bytes) as { port: number };
  const identity = () => {
    const { dev, ino, mode } = fstatSync(fd, { bigint: true });
    return `${dev} ${ino} ${mode}`;
  };
  const opened = identity();
  const isOpen = () => {
    try {
      return identity() === opened;
    } catch {
      return false;
    }
  };
  return {
    fd,
    local: { address: family === 6 ? "::" : site.ipv4, port },
    isOpen,
    send(packet, { address, port }) {
      const bytes = parseIp(address) as Uint8Array;
      const to = packSockaddrBytes(family === 6 ? mapIpv4(bytes) : bytes, port);
      const sent = posix.sendto(fd, packet, 0, to);
      if (sent !== packet.length) throw new Error(`sendto ${address}: ${sent}`);
    },
    receive: () =>
      eventually(
        `a packet for ${site.name}`,
        () => {
          const buffer = Buffer.alloc(65536);
          const size = posix.recv(fd, buffer, 0);
          return size > 0 ? buffer.subarray(0, size) : undefined;
        },
        (packet) => packet !== undefined,
      ) as Promise<Uint8Array>,
    close: async () => {
      // The number may be another's by now, if the transport owned and closed it.
      if (isOpen()) await posix.closeAsync(fd);
    },
  };
}
