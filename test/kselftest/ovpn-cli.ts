/**
 * A stand-in for the kernel's own test client, tools/testing/selftests/net/ovpn/ovpn-cli, on the public API: the same
 * arguments, the same lines, so that the kernel's scripts run against dcokit.
 *
 * Commands that make sockets hold them until a signal comes. The client written in C goes into the background for that; here
 * the shell script that starts this program does (see `client.ts`), and is told by descriptor 3 how the command ended.
 */
import { on, once } from "node:events";
import { closeSync, readFileSync, writeSync } from "node:fs";
import type { Socket } from "node:net";
import { startupSnapshot } from "node:v8";
import type { DcoInterface, KeyDirection, PeerInfo, PeerStats, Transport } from "../../src/index.ts";
import { type LinuxDriver, openLinuxDriver } from "../../src/linux/index.ts";

type Words = readonly (string | undefined)[];

/** What holds a socket is told to go on in the background. */
const STATUS_FD = 3;

const KEY_BYTES = 32;
const NONCE_BYTES = 8;

/** What the client sends over a new TCP connection: no data packet, so that it comes out at the other end. */
const TCP_MESSAGE = new Uint8Array(1000).fill(0x86);

const say = (line: string) => process.stderr.write(`${line}\n`);
const tell = (line: string) => process.stdout.write(`${line}\n`);

function number(text: string | undefined, what: string, max: number, min = 0): number {
  const value = /^\d+$/.test(text ?? "") ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new Error(`${what} out of range`);
  return value;
}

const peerId = (text: string | undefined) => number(text, "peer ID value", 0xff_ff_ff);

function slotOf(text: string | undefined) {
  return number(text, "key slot", 2, 1) === 1 ? "primary" : "secondary";
}

function vpnOf(address: string | undefined) {
  if (address === undefined) return {};
  return { vpn: address.includes(":") ? { ipv6: address } : { ipv4: address } };
}

const withPort = (address: string | undefined, port: string | undefined) =>
  address?.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

const txIdOf = (text: string | undefined) => (text === "none" ? {} : { txId: peerId(text) });

/** Two keys and a nonce tail that both directions have; which end has which key, `direction` says. */
function readKey(file: string, direction: number): { encrypt: KeyDirection; decrypt: KeyDirection } {
  const bytes = Buffer.from(readFileSync(file, "latin1").slice(0, 256), "base64");
  if (bytes.length < 2 * KEY_BYTES + NONCE_BYTES) throw new Error("not enough data in key file");
  const key = (at: number) => Uint8Array.from(bytes.subarray(at * KEY_BYTES, (at + 1) * KEY_BYTES));
  const nonceTail = Uint8Array.from(bytes.subarray(2 * KEY_BYTES, 2 * KEY_BYTES + NONCE_BYTES));
  return {
    encrypt: { key: key(direction === 0 ? 0 : 1), nonceTail },
    decrypt: { key: key(direction === 0 ? 1 : 0), nonceTail },
  };
}

/** A line of the file for each peer, in words. */
function readPeers(file: string, words: number): string[][] {
  const lines = readFileSync(file, "utf8").split("\n");
  const peers = lines.map((line) => line.trim().split(/\s+/)).filter((line) => line.length === words);
  if (peers.length === 0) throw new Error(`no peers in ${file}`);
  return peers;
}

type Command = (driver: LinuxDriver, iface: string, words: Words) => Promise<unknown>;

const own = (driver: LinuxDriver, iface: string): Promise<DcoInterface> => driver.adoptInterface(iface);

const COMMANDS: Readonly<Record<string, Command>> = {
  async new_iface(driver, iface, [mode]) {
    if (mode !== undefined && mode !== "P2P" && mode !== "MP")
      throw new Error(`Cannot parse iface mode: ${mode}`);
    tell(`Creating interface ${iface} with mode ${mode === "MP" ? 1 : 0}`);
    const options = { mode: mode === "MP" ? "multipeer" : "p2p", name: iface, deleteOnClose: false } as const;
    await driver.createInterface(options);
  },

  async del_iface(driver, iface) {
    const found = (await driver.listInterfaces()).find(({ name }) => name === iface);
    if (found !== undefined) tell(`Deleting interface ${iface} ifindex ${found.index}`);
    await driver.deleteInterface(iface);
  },

  async listen(driver, iface, [port, idType, file = "", family]) {
    const dco = await own(driver, iface);
    const host = family === "ipv6" ? "::" : "0.0.0.0";
    const server = net().createServer({ pauseOnConnect: true });
    server.listen(number(port, "lport value", 65_535), host);
    const transports: Transport[] = [];
    const incoming = on(server, "connection") as AsyncIterable<[Socket]>;
    const taken = incoming[Symbol.asyncIterator]();
    for (const [id, txId, vpn] of readPeers(file, 3)) {
      const transport = await keep(dco, (await taken.next()).value[0]);
      say("Connection received!");
      transports.push(transport);
      await dco.addPeer({ id: peerId(id), ...asymmetric(idType, txId), transport, ...vpnOf(vpn) });
    }
    server.close();
    for (const transport of transports) {
      for await (const { data } of transport.packets()) {
        tell(`>>>> Received ${data.length + 2} bytes over TCP socket, header: ${data.length}`);
        break;
      }
    }
    return hold();
  },

  async connect(driver, iface, [id, txId, address, port, file]) {
    const dco = await own(driver, iface);
    const key = file === undefined ? undefined : readKey(file, 1);
    const socket = net().connect(number(port, "port", 65_535), address);
    socket.pause();
    await once(socket, "connect");
    say("connected");
    const transport = await keep(dco, socket);
    await dco.addPeer({ id: peerId(id), ...txIdOf(txId), transport });
    if (key !== undefined) {
      await dco.installKey(peerId(id), { slot: "primary", id: 0, cipher: "aes-256-gcm", ...key });
    }
    await transport.send(TCP_MESSAGE);
    tell(`Sent ${TCP_MESSAGE.length + 2} bytes over TCP socket`);
    return hold();
  },

  async new_peer(driver, iface, [id, txId, port, address, remotePort, vpn]) {
    const dco = await own(driver, iface);
    const transport = await udp(dco, port);
    const remote = withPort(address, remotePort);
    await dco.addPeer({ id: peerId(id), ...txIdOf(txId), transport, remote, ...vpnOf(vpn) });
    return hold();
  },

  async new_multi_peer(driver, iface, [port, idType, file = "", mark]) {
    const dco = await own(driver, iface);
    const transport = await udp(dco, port, mark);
    for (const [id, txId, , , address, remotePort, vpn] of readPeers(file, 7)) {
      const remote = withPort(address, remotePort);
      await dco.addPeer({ id: peerId(id), ...asymmetric(idType, txId), transport, remote, ...vpnOf(vpn) });
    }
    return hold();
  },

  async set_peer(driver, iface, [id, interval, timeout, vpn]) {
    const dco = await own(driver, iface);
    const [every, after] = [
      number(interval, "keepalive interval", 2 ** 31),
      number(timeout, "keepalive timeout", 2 ** 31),
    ];
    const keepalive = every === 0 || after === 0 ? ("off" as const) : { interval: every, timeout: after };
    await dco.setPeer(peerId(id), { keepalive, ...vpnChange(vpn) });
  },

  async del_peer(driver, iface, [id]) {
    await (await own(driver, iface)).removePeer(peerId(id));
  },

  async get_peer(driver, iface, [id]) {
    const dco = await driver.adoptInterface(iface, { role: "observer" });
    if (id === undefined) say(`List of peers connected to: ${iface}`);
    const peers = id === undefined ? await dco.peers() : [await dco.peer(peerId(id))];
    const stats = new Map((await dco.stats()).map((each) => [each.id, each]));
    for (const peer of peers) describe(peer, stats.get(peer.id));
  },

  async new_key(driver, iface, [id, slot, keyId, cipher, direction, file = ""]) {
    const dco = await own(driver, iface);
    const names: Readonly<Record<string, "aes-256-gcm" | "chacha20-poly1305">> = {
      aes: "aes-256-gcm",
      chachapoly: "chacha20-poly1305",
    };
    const name = names[cipher ?? ""];
    if (name === undefined) throw new Error(`cipher not supported: ${cipher}`);
    const key = readKey(file, number(direction, "key direction", 1));
    const where = { slot: slotOf(slot), id: number(keyId, "key ID", 7) } as const;
    await dco.installKey(peerId(id), { ...where, cipher: name, ...key, wipe: true });
  },

  async del_key(driver, iface, [id, slot = "1"]) {
    await (await own(driver, iface)).deleteKey(peerId(id), slotOf(slot));
  },

  async get_key(driver, iface, [id, slot]) {
    const dco = await driver.adoptInterface(iface, { role: "observer" });
    const key = (await dco.keys(peerId(id))).find((each) => each.slot === slotOf(slot));
    if (key === undefined) throw new Error("failed to send netlink message: No such file or directory (-2)");
    say(`* Peer ${id}\n\t- Slot: ${key.slot}\n\t- Key ID: ${key.id}`);
    say(`\t- Cipher: ${key.cipher === "chacha20-poly1305" ? "chacha20poly1305" : "aes-gcm"}`);
  },

  async swap_keys(driver, iface, [id]) {
    await (await own(driver, iface)).swapKeys(peerId(id));
  },
};

function udp(dco: DcoInterface, port: string | undefined, mark?: string): Promise<Transport> {
  const local = `[::]:${number(port, "lport value", 65_535)}`;
  const options = { protocol: "udp", local, dualStack: true } as const;
  const marked = mark === undefined ? {} : { mark: number(mark, "mark value", 0xffff_ffff) };
  return dco.openTransport({ ...options, ...marked });
}

/** Loaded by those who need it: every call of the client starts a Node. */
const net = () => process.getBuiltinModule("node:net");

const held: Socket[] = [];

/**
 * A transport on a duplicate of the connection's descriptor: a transport ends with its peer, and the connection is to
 * stay, as it does with the client written in C, so that the other end's peer does not end by that.
 */
function keep(dco: DcoInterface, socket: Socket): Promise<Transport> {
  held.push(socket);
  const { fd } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
  return dco.openTransport({ protocol: "tcp", adopt: { fd, ownership: "keep" } });
}

function asymmetric(idType: string | undefined, txId: string | undefined) {
  if (idType !== "SYMM" && idType !== "ASYMM") throw new Error(`Cannot parse id type: ${idType}`);
  return idType === "ASYMM" ? { txId: peerId(txId) } : {};
}

/** The unspecified address takes away what is there. */
function vpnChange(address: string | undefined) {
  if (address === "0.0.0.0") return { vpn: { ipv4: null } };
  if (address === "::") return { vpn: { ipv6: null } };
  return vpnOf(address);
}

function describe({ id, txId, vpn, remote, local, keepalive }: PeerInfo, stats: PeerStats | undefined): void {
  say(`* Peer ${id}`);
  say(`\tTX peer ID ${txId}`);
  if (vpn.ipv4 !== undefined) say(`\tVPN IPv4: ${vpn.ipv4}`);
  if (vpn.ipv6 !== undefined) say(`\tVPN IPv6: ${vpn.ipv6}`);
  if (remote !== undefined) {
    const scope = remote.address.includes(":") ? ` (scope-id: ${remote.scopeId ?? 0})` : "";
    say(`\tRemote: ${remote.address}:${remote.port}${scope}`);
  }
  if (local !== undefined) say(`\tLocal: ${local.address}:${local.port}`);
  const { interval, timeout } = keepalive === "off" ? { interval: 0, timeout: 0 } : keepalive;
  say(`\tKeepalive interval: ${interval} sec\n\tKeepalive timeout: ${timeout} sec`);
  for (const [name, counters] of [
    ["VPN", stats?.tunnel],
    ["LINK", stats?.link],
  ] as const) {
    if (counters === undefined) continue;
    say(`\t${name} RX bytes: ${counters.rxBytes}\n\t${name} TX bytes: ${counters.txBytes}`);
    say(`\t${name} RX packets: ${counters.rxPackets}\n\t${name} TX packets: ${counters.txPackets}`);
  }
}

/** Never ends: a signal does. */
function hold(): Promise<never> {
  finish(0);
  // Connections that nobody reads, whose peers have ended, would not keep the process alive.
  setInterval(() => {}, 0x7fff_ffff);
  return new Promise(() => {});
}

/** Says how the command ended to who started it in the background. */
function finish(status: number): void {
  try {
    writeSync(STATUS_FD, `${status}\n`);
    closeSync(STATUS_FD);
  } catch {
    // Nobody waits: it runs in the foreground.
  }
}

async function main([command = "", iface, ...words]: Words): Promise<number> {
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (run === undefined || iface === undefined) {
    say(run === undefined ? "Error: unknown command.\n" : "Error: invalid arguments.\n");
    say(
      `Usage ovpn-cli <command> <iface> [arguments..]\nwhere <command> is one of ${Object.keys(COMMANDS).join(", ")}`,
    );
    return 1;
  }
  // Without the package netlink one addon less is loaded.
  const driver = await openLinuxDriver({ eventTransport: "ffi" });
  try {
    await run(driver, iface, words);
    return 0;
  } catch (error) {
    say(`Cannot execute command: ${(error as Error).message}`);
    return 1;
  } finally {
    await driver.close();
  }
}

function start(): void {
  // By this name the scripts find it.
  process.title = "ovpn-cli";
  main(process.argv.slice(2)).then(
    (status) => {
      finish(status);
      process.exitCode = status;
    },
    (error: unknown) => {
      say(String(error));
      finish(1);
      process.exitCode = 1;
    },
  );
}

// Under emulation most of a call would be the loading of modules; from a snapshot they are there at once. Nothing native
// is in it: that is loaded when the driver opens.
if (startupSnapshot.isBuildingSnapshot()) startupSnapshot.setDeserializeMainFunction(start);
else start();
