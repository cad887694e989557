/**
 * A session with `if_ovpn`, from the first interface to the last: capture-freebsd-ovpn.ts runs it on a kernel and writes
 * down every call, test/unit/freebsd/recorded.test.ts runs it on what was written down. Keys are patterns.
 */
import type { AddPeerRequest, BackendEvent, IpEndpoint, KeyRequest } from "../../src/core/backend.ts";
import { DcoError } from "../../src/core/errors.ts";
import { formatIp, parseIp } from "../../src/core/ip.ts";
import type { CipherName, KeySlot } from "../../src/core/model.ts";
import type { Posix } from "../../src/ffi/posix.ts";
import { packSockaddr } from "../../src/ffi/sockaddr.ts";
import { OvpnExchange } from "../../src/freebsd/exchange.ts";
import { createLink, hasCloner, listLinks, removeLink } from "../../src/freebsd/links.ts";
import { onlyPeer } from "../../src/freebsd/messages.ts";
import { OvpnInterface } from "../../src/freebsd/ovpn-interface.ts";
import type { Stack, Stacks } from "../../src/freebsd/stack.ts";
import type { Sysctl } from "../../src/freebsd/sysctl.ts";
import type { FreebsdUdpTransport } from "../../src/freebsd/udp-transport.ts";
import { DataKey } from "../../src/userspace/data/data-key.ts";

/** Where the kernel's socket is, and the other end's two. */
export const PORTS = { kernel: 11940, first: 40001, second: 40002 } as const;

/** What a session is about, and what happens to it from outside. */
export interface SessionParts {
  readonly stack: Stack;
  readonly sysctl: Sysctl;
  /** Makes the sockets of transports. */
  readonly posix: Pick<Posix, "socket" | "bind" | "close">;
  /** A packet comes to the kernel's socket from a port. */
  receive(packet: Uint8Array, from: number): Promise<void>;
  wait(milliseconds: number): Promise<void>;
  /** From now on this process is not root any more. */
  dropRights(): void;
}

const NAME = "dk-rec";
const AF_INET = 2;
const AF_INET6 = 28;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const NOT_OPEN = 999;
/** Programs are started with /dev/null there. */
const NO_SOCKET = 0;
const CIPHERS: readonly (readonly [CipherName, bytes: number])[] = [
  ["aes-128-gcm", 16],
  ["aes-192-gcm", 24],
  ["chacha20-poly1305", 32],
  ["aes-256-gcm", 32],
];
/** More than the kernel queues events for, and than fit the first answer with statistics. */
const MANY = 40;

const NOTHING = { local: undefined, vpn4: undefined, vpn6: undefined, routes: undefined };
const UNCHANGED = { ...NOTHING, remote: undefined, keepalive: undefined, txId: undefined };

function at(address: string, port: number): IpEndpoint {
  const bytes = parseIp(address) as Uint8Array;
  return { family: bytes.length === 4 ? 4 : 6, bytes, text: formatIp(bytes), port, scopeId: 0 };
}

function prefix(address: string, length: number) {
  const { family, bytes, text } = at(address, 0);
  return { family, bytes, text, length };
}

function pattern(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, n) => (from + n) & 0xff);
}

function keyOf(id: number, slot: KeySlot, cipher: CipherName, bytes: number): KeyRequest {
  return {
    id,
    slot,
    cipher,
    encryptKey: pattern(id, bytes),
    encryptNonceTail: pattern(0xa0, 8),
    decryptKey: pattern(0x80 + id, bytes),
    decryptNonceTail: pattern(0xb0, 8),
  };
}

/** What the other end sends with a key: its inner packet is 28 bytes of IPv4. */
function packetBy(key: KeyRequest, peer: number): (count: number) => Uint8Array {
  const { decryptKey, decryptNonceTail } = key;
  const other = new DataKey({ ...key, encryptKey: decryptKey, encryptNonceTail: decryptNonceTail });
  const inner = Buffer.alloc(28);
  inner.set([0x45, 0, 0, inner.length, 0, 0, 0, 0, 64, 253]);
  inner.set([10, 8, 0, 2, 10, 8, 0, 1], 12);
  return () => other.seal(inner, peer, 0) as Buffer;
}

/** Runs a session; what came of each step, in words. */
export async function runSession(parts: SessionParts): Promise<string[]> {
  const { stack, sysctl, posix } = parts;
  const log: string[] = [];
  const step = async (what: string, body: () => unknown): Promise<void> => {
    const outcome = await (async () => inWords(await body()))().catch((error: unknown) => {
      if (!DcoError.is(error)) throw error;
      return `${error.code} ${error.native?.name ?? ""} ${error.effect ?? ""}`.trim();
    });
    log.push(`${what}: ${outcome}`);
  };

  await step("hasCloner", () => hasCloner(stack));
  const options = { mode: "multipeer", name: NAME, multicast: false } as const;
  const link = await createLink(stack, sysctl, options);
  await step("createLink again", () => createLink(stack, sysctl, options));
  await step("listLinks", () =>
    listLinks(stack, sysctl).map(({ name, mode, up, owner }) => [name, mode, up, owner?.alive]),
  );

  const stacks = { release() {} } as unknown as Stacks;
  const dco = new OvpnInterface({ stacks, stack, link, mode: "multipeer", created: true });
  const told: BackendEvent[] = [];
  await withoutTimers(() => dco.start((event) => told.push(event)));
  const look = async (what: string) => {
    await dco.peer(0xfffffe).catch(() => {});
    for (const event of told.splice(0)) log.push(`event, ${what}: ${inWords(event)}`);
  };
  const addresses = [prefix("10.8.0.1", 24), prefix("fd00:8::1", 64)];
  const config = { addresses, mtu: 1400, up: true, routes: undefined, bypass: undefined };
  await step("configure", () => dco.configure(config));
  await step("isLinkUp", () => dco.isLinkUp());

  const open = (domain: number, type: number, address?: string, port = 0) => {
    const fd = posix.socket(domain, type, 0);
    if (address) posix.bind(fd, packSockaddr({ address, port }, "freebsd"));
    return { fd, family: domain === AF_INET ? 4 : 6 } as unknown as FreebsdUdpTransport;
  };
  const socket = open(AF_INET, SOCK_DGRAM, "127.0.0.1", PORTS.kernel);
  const others = {
    "another socket": open(AF_INET, SOCK_DGRAM, "127.0.0.1"),
    "a socket that is not bound": open(AF_INET, SOCK_DGRAM),
    "a TCP socket": open(AF_INET, SOCK_STREAM, "127.0.0.1"),
    "a socket of IPv6": open(AF_INET6, SOCK_DGRAM, "::1"),
    "no socket": { fd: NO_SOCKET, family: 4 } as unknown as FreebsdUdpTransport,
    nothing: { fd: NOT_OPEN, family: 4 } as unknown as FreebsdUdpTransport,
  };
  const peer = (id: number, more: Partial<AddPeerRequest> = {}): AddPeerRequest => ({
    ...UNCHANGED,
    id,
    replace: false,
    remote: at("127.0.0.1", PORTS.first),
    vpn4: Uint8Array.of(10, 8, id >> 8, id + 1),
    ...more,
  });
  await step("peers of none", () => dco.peers());
  for (const [what, other] of Object.entries(others)) {
    // While there is no peer, another socket is as good as this one.
    if (what !== "another socket" && what !== "a socket of IPv6") {
      await step(`addPeer on ${what}`, () => dco.addPeer(peer(1), other));
    }
  }
  const anywhere = open(AF_INET6, SOCK_DGRAM, "::");
  const far = { ...peer(1), remote: at("2001:db8::1", 1194), vpn4: undefined };
  await step("addPeer at an address without a route", () => dco.addPeer(far, anywhere));
  await step("removePeer at an address without a route", () => dco.removePeer(1));
  await step("addPeer 1", () => dco.addPeer(peer(1), socket));
  await step("addPeer 1 again", () => dco.addPeer(peer(1), socket));
  await step("addPeer on another socket", () => dco.addPeer(peer(2), others["another socket"]));
  const six = { vpn6: parseIp("fd00:8::2") as Uint8Array, local: at("127.0.0.1", 0) };
  await step("addPeer 2, with all there is", () => dco.addPeer(peer(2, six), socket));
  const mixed = { ...peer(3), remote: at("2001:db8::1", 1194) };
  const ofSix = { fd: socket.fd, family: 6 } as unknown as FreebsdUdpTransport;
  await step("addPeer of another family", () => dco.addPeer(mixed, ofSix));

  await step("swapKeys of none", () => dco.swapKeys(1));
  for (const [id, [cipher, bytes]] of CIPHERS.entries()) {
    await step(`installKey ${cipher}`, () => dco.installKey(1, keyOf(id, "primary", cipher, bytes)));
  }
  const next = keyOf(5, "secondary", "aes-256-gcm", 32);
  await step("installKey secondary", () => dco.installKey(1, next));
  await step("swapKeys", () => dco.swapKeys(1));
  await step("deleteKey", () => dco.deleteKey(1, "secondary"));
  await step("deleteKey again", () => dco.deleteKey(1, "secondary"));
  await step("installKey of no peer", () => dco.installKey(9, next));
  await step("swapKeys of no peer", () => dco.swapKeys(9));
  await step("deleteKey of no peer", () => dco.deleteKey(9, "primary"));
  const odd = { ...next, encryptKey: pattern(9, 31), decryptKey: pattern(8, 31) };
  await step("installKey of 31 bytes", () => dco.installKey(1, odd));
  const long = { ...next, encryptKey: pattern(9, 33), decryptKey: pattern(8, 33) };
  await step("installKey of 33 bytes", () => dco.installKey(1, long));
  const short = { ...keyOf(6, "secondary", "chacha20-poly1305", 16) };
  await step("installKey of 16 bytes for ChaCha20", () => dco.installKey(1, short));
  const tail = { ...next, encryptNonceTail: pattern(1, 12), decryptNonceTail: pattern(2, 12) };
  await step("installKey with a tail of 12 bytes", () => dco.installKey(1, tail));

  const keepalive = { interval: 10, timeout: 60 };
  await step("setPeer", () => dco.setPeer(1, { ...UNCHANGED, keepalive }));
  await step("setPeer of no peer", () => dco.setPeer(9, { ...UNCHANGED, keepalive }));

  const sealed = packetBy(next, 1);
  await parts.receive(sealed(1), PORTS.first);
  await look("a packet");
  const forged = Uint8Array.from(sealed(2));
  forged[20] = (forged[20] as number) ^ 1;
  await parts.receive(forged, PORTS.second);
  await look("a forged packet from elsewhere");
  await parts.receive(sealed(3), PORTS.second);
  await look("a packet from elsewhere");
  await step("stats", () => dco.stats());

  await step("setPeer 2, to expire", () =>
    dco.setPeer(2, { ...UNCHANGED, keepalive: { interval: 1, timeout: 2 } }),
  );
  await parts.wait(5000);
  await look("nothing came for too long");
  await step("removePeer", () => dco.removePeer(1));
  await step("removePeer again", () => dco.removePeer(1));
  await look("a removal");

  const ids = Array.from({ length: MANY }, (_, n) => 100 + n);
  for (const id of ids) await dco.addPeer(peer(id), socket);
  await step("stats of many", async () => (await dco.stats()).length);
  const exchange = new OvpnExchange(stack, NAME);
  for (const id of ids) exchange.set("DEL_PEER", onlyPeer(id));
  await look("more removals than the kernel tells");

  await step("addPeer 5", () => dco.addPeer(peer(5), socket));
  await step("setMode while up", () =>
    exchange.set("SET_IFMODE", [{ name: "ifmode", type: "number", value: 0x10n }]),
  );
  await step("close", () => dco.close(true));
  await step("stats of an interface that is gone", () => dco.stats());
  await step("removeLink again", () => removeLink(stack, NAME));

  const last = await createLink(stack, sysctl, { ...options, name: undefined });
  const mine = new OvpnInterface({ stacks, stack, link: last, mode: "multipeer", created: true });
  await withoutTimers(() => mine.start((event) => told.push(event)));
  await step("addPeer 1 of another interface", () => mine.addPeer(peer(1), socket));
  parts.dropRights();
  await step("addPeer without rights", () => mine.addPeer(peer(2), socket));
  await step("installKey without rights", () => mine.installKey(1, next));
  await step("swapKeys without rights", () => mine.swapKeys(1));
  await step("deleteKey without rights", () => mine.deleteKey(1, "primary"));
  await step("setPeer without rights", () => mine.setPeer(1, { ...UNCHANGED, keepalive }));
  await step("removePeer without rights", () => mine.removePeer(1));
  await step("stats without rights", () => mine.stats());
  await step("configure without rights", () => mine.configure({ ...config, addresses: undefined }));
  await step("createLink without rights", () => createLink(stack, sysctl, options));
  await step("close without rights", () => mine.close(true));
  for (const event of told.splice(0)) log.push(`event, without rights: ${inWords(event)}`);
  return log;
}

/** Runs something whose timers would make calls in between. */
async function withoutTimers(body: () => Promise<void>): Promise<void> {
  const { setInterval, setTimeout } = globalThis;
  const never = () => ({ unref() {} });
  Object.assign(globalThis, { setInterval: never, setTimeout: never });
  try {
    await body();
  } finally {
    Object.assign(globalThis, { setInterval, setTimeout });
  }
}

function inWords(value: unknown): string {
  if (value === undefined) return "ok";
  return JSON.stringify(value, (_, each) => (typeof each === "bigint" ? Number(each) : each));
}
