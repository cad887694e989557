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
import { atPlace, type Place } from "./place.ts";

const SOCK_DGRAM = 2;

/** See `World.openSocket`. */
export function openForeignSocket(site: Place, family: 4 | 6): ForeignSocket {
  const ffi = loadFfi();
  const posix = createPosix(ffi);
  const domain = family === 6 ? AF_INET6.linux : AF_INET;
  const fd = atPlace(posix, site, () => posix.socket(domain, SOCK_DGRAM, 0));
  const address = family === 6 ? new Uint8Array(16) : (parseIp(site.ipv4) as Uint8Array);
  posix.bind(fd, packSockaddrBytes(address, 0));
  const bytes = Buffer.alloc(SOCKADDR_BYTES);
  posix.getsockname(fd, bytes);
  const { port } = unpackSockaddr(bytes) as { port: number };
  const inode = fstatSync(fd, { bigint: true }).ino;
  const isOpen = () => {
    try {
      return fstatSync(fd, { bigint: true }).ino === inode;
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
      const sent = posix.sendto(
        fd,
        packet,
        0,
        packSockaddrBytes(family === 6 ? mapIpv4(bytes) : bytes, port),
      );
      if (sent !== packet.length) throw new Error(`sendto ${address}: ${sent}`);
    },
    receive: () =>
      eventually(
        `a packet for ${site.ipv4}`,
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
