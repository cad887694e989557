/**
 * Keeps the kernel from patching its own code again and again during a run.
 *
 * The kernel switches rarely used code on with the first socket that wants it and off with the last (static keys):
 * receive timestamps with every ping, UDP encapsulation with every first peer. An emulated machine (QEMU's TCG with
 * several processors) now and then executes the half-patched instruction, and the kernel oopses in int3. Sockets
 * that stay open for the whole run keep both on.
 */
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { AF_INET, AF_INET6 } from "../../../src/ffi/sockaddr.ts";

const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_TIMESTAMP = 29;
const IPPROTO_UDP = 17;
const UDP_ENCAP = 100;
const UDP_ENCAP_ESPINUDP = 2;

/** Opens the sockets; returns what closes them. */
export function holdStaticKeys(): () => void {
  const posix = createPosix(loadFfi());
  const sockets = [AF_INET, AF_INET6.linux].map((family) => posix.socket(family, SOCK_DGRAM, 0));
  for (const fd of sockets) {
    posix.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
    try {
      posix.setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP);
    } catch {
      // A kernel without IPsec: then only the pings are taken care of.
    }
  }
  return () => {
    for (const fd of sockets) posix.close(fd);
  };
}
