/**
 * Sockets of the caller's that cannot be used.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { rejects } from "../expect.ts";
import { Descriptors, LINUX_INTERFACES, LINUX_ONLY } from "../linux/raw.ts";
import { openEnd } from "../tunnel.ts";

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const IPPROTO_ICMP = 1;
const IPPROTO_UDP = 17;
const IPPROTO_UDPLITE = 136;
const IPPROTO_MPTCP = 262;
/** Over the limit of this process. */
const NOT_OPEN = 2 ** 30;
/** udp(7): what the kernel does with packets of the socket; 2 is ESP, of IPsec. */
const UDP_ENCAP = 100;
const UDP_ENCAP_ESPINUDP = 2;

export const refusedSocketCases = group("refusals", [
  {
    ...LINUX_INTERFACES,
    name: "a descriptor that is not a bound UDP socket with close-on-exec is socket, and stays as it is",
    async run(world) {
      const { server } = world;
      const dco = await world.createInterface(server, { mode: "multipeer" });
      const make = new Descriptors(world);
      const udp = await world.openSocket(server, 4);
      const bound = (fd: number, address: string) => {
        make.bind(fd, address, 0);
        return fd;
      };
      const rows: [what: string, fd: number, problem: RegExp, protocol?: "tcp"][] = [
        ["not open", NOT_OPEN, /is not open/],
        ["a file", make.open("/proc/self/status"), /is not a socket/],
        ["a folder", make.open("/"), /is not a socket/],
        [
          "a TCP socket",
          bound(make.socket(server, AF_INET, SOCK_STREAM), server.ipv4),
          /is not a UDP socket/,
        ],
        ["a Unix socket", make.socket(server, AF_UNIX, SOCK_DGRAM), /is not a UDP socket/],
        ["a netlink socket", make.socket(server, AF_NETLINK, SOCK_RAW), /is not a UDP socket/],
        ["a raw socket", make.socket(server, AF_INET, SOCK_RAW, IPPROTO_UDP), /is not a UDP socket/],
        ["an ICMP socket", make.socket(server, AF_INET, SOCK_RAW, IPPROTO_ICMP), /is not a UDP socket/],
        ["an unbound UDP socket", make.socket(server, AF_INET, SOCK_DGRAM), /is not bound/],
        ["an unbound UDP socket of IPv6", make.socket(server, AF_INET6, SOCK_DGRAM), /is not bound/],
        ["one without close-on-exec", make.inheritable(udp.fd), /close-on-exec/],
        ["a UDP socket for TCP", udp.fd, /is not a TCP socket/, "tcp"],
        ["an unconnected TCP socket", make.socket(server, AF_INET, SOCK_STREAM), /is not connected/, "tcp"],
      ];
      for (const [protocol, name] of [
        [IPPROTO_UDPLITE, "a UDP-Lite socket"],
        [IPPROTO_MPTCP, "an MPTCP socket"],
      ] as const) {
        const type = protocol === IPPROTO_MPTCP ? SOCK_STREAM : SOCK_DGRAM;
        // Not every kernel has these.
        const fd = make.trySocket(server, AF_INET, type, protocol);
        if (fd !== undefined) rows.push([name, fd, /is not a UDP socket/]);
      }
      const problems: string[] = [];
      for (const [what, fd, problem, protocol = "udp"] of rows) {
        const wasOpen = make.isOpen(fd);
        for (const ownership of ["keep", "take"] as const) {
          const call = dco.openTransport({ protocol, adopt: { fd, ownership } });
          await rejects(call, "socket", { field: "adopt.fd", effect: "none", message: problem }).catch(
            (error) => problems.push(`${what}: ${error}`),
          );
        }
        if (make.isOpen(fd) !== wasOpen) problems.push(`${what}: was closed`);
      }
      assert.deepEqual(problems, []);
      // Nothing of this has spoilt the good one.
      await dco.openTransport({ protocol: "udp", adopt: { fd: udp.fd } });
    },
  },
  {
    ...LINUX_INTERFACES,
    name: "a listening TCP socket, which is bound but connected to nobody, is socket",
    async run(world) {
      const dco = await world.createInterface(world.server, { mode: "multipeer" });
      const make = new Descriptors(world);
      for (const listens of [false, true]) {
        const fd = make.socket(world.server, AF_INET, SOCK_STREAM);
        make.bind(fd, world.server.ipv4, 0);
        if (listens) make.listen(fd, 1);
        await rejects(dco.openTransport({ protocol: "tcp", adopt: { fd } }), "socket", {
          field: "adopt.fd",
          message: /is not connected/,
        });
        assert.equal(make.isOpen(fd), true);
      }
    },
  },
  {
    ...LINUX_ONLY,
    name: "a socket that another interface or another tunnel uses is socket, when the peer is added",
    async run(world) {
      const { server } = world;
      const first = await openEnd(world, server, { mode: "multipeer", host: 1 });
      const second = await world.createInterface(server, { mode: "multipeer" });
      const make = new Descriptors(world);
      const shared = await world.openSocket(server, 4);
      const adopt = { fd: shared.fd };
      const peer = { id: 1, remote: "192.0.2.99:1194", vpn: { ipv4: "10.8.0.9" } };
      const mine = await first.dco.openTransport({ protocol: "udp", adopt });
      await first.dco.addPeer({ ...peer, transport: mine });
      const theirs = await second.openTransport({ protocol: "udp", adopt });
      const error = await rejects(second.addPeer({ ...peer, transport: theirs }), "socket", {
        operation: "addPeer",
        effect: "none",
        message: /another interface, or another kind of tunnel/,
      });
      assert.equal(error.native?.name, "ENOTSOCK");
      if (world.capabilities.errorText) assert.match(error.kernelMessage?.text ?? "", /-16/);
      assert.deepEqual(await second.peers(), []);
      // A transport of the wrong interface is seen before the kernel is asked.
      const known = await rejects(second.addPeer({ ...peer, transport: mine }), "socket", {
        field: "transport",
      });
      assert.match(known.message, new RegExp(first.dco.name));

      const ipsec = await world.openSocket(server, 4);
      make.setOption(ipsec.fd, IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP);
      const taken = await second.openTransport({ protocol: "udp", adopt: { fd: ipsec.fd } });
      await rejects(second.addPeer({ ...peer, transport: taken }), "socket", {
        message: /another interface, or another kind of tunnel/,
      });

      // Once the first has let go of it the socket is good for the second.
      await first.dco.removePeer(1);
      await second.addPeer({ ...peer, transport: theirs });
      assert.equal((await second.peers()).length, 1);
    },
  },
]);
