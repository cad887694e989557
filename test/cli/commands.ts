/**
 * The commands of `dco` on a real kernel: a tunnel between two network namespaces made by nothing else.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../conformance/expect.ts";
import type { LinuxSite, Network } from "../conformance/linux/network.ts";
import { startPing } from "../conformance/linux/ping.ts";
import type { Checks } from "../openvpn/checks.ts";
import { dco, dcoDone, dcoJson, Running } from "./dco.ts";

const SERVER = "dk-server";
const CLIENT = "dk-client";

/** What one check leaves to the next. */
interface Scene {
  readonly network: Network;
  readonly server: LinuxSite;
  readonly client: LinuxSite;
  readonly folder: string;
  /** Commands that hold sockets. */
  readonly held: Running[];
}

/** The peers of an interface, as far as they are of interest here. */
interface Peer {
  readonly id: number;
  readonly remote?: { readonly address: string; readonly port: number };
  readonly keepalive: unknown;
  readonly keys: readonly { readonly slot: string; readonly id: number }[];
}

export async function checkCommands(checks: Checks, network: Network): Promise<void> {
  checks.topic = "commands";
  const [server, client] = network.sites as [LinuxSite, LinuxSite];
  const folder = mkdtempSync(join(tmpdir(), "dcokit-cli-"));
  const scene: Scene = { network, server, client, folder, held: [] };
  try {
    await checks.check("capabilities", capabilities);
    await checks.check("a tunnel, command by command", () => tunnel(scene));
    await checks.check("keys never leave the files", () => secrets(scene));
    await checks.check("a new key", () => rotation(scene));
    await checks.check("top", () => top(scene));
    await checks.check("refusals and their exit statuses", () => refusals(scene));
    await checks.check("events, and the end of a peer", () => ends(scene));
    await checks.check("Ctrl-C leaves nothing behind", () => interrupted(scene));
    await checks.check("Ctrl-C while a command waits or works", () => interruptedWaiting(scene));
    await checks.check("TCP: connections become peers", () => tcp(scene));
    await checks.check("the interfaces go", () => cleanUp(scene));
  } finally {
    for (const running of scene.held) await running.stop("SIGKILL");
    rmSync(folder, { recursive: true });
  }
}

const at = ({ namespace }: LinuxSite) => ["--namespace", namespace];

async function capabilities(): Promise<void> {
  const told = await dcoJson<{ driver: { module: string }; capabilities: { transports: string[] } }>(
    "capabilities",
  );
  assert.equal(told.driver.module, "ovpn");
  assert.deepEqual(told.capabilities.transports, ["udp", "tcp"]);
  assert.match(await dcoDone("capabilities"), /CAPABILITY +VALUE/);
}

async function tunnel({ network, server, client, folder, held }: Scene): Promise<void> {
  const own = await dcoJson<{ name: string }>(
    ...[
      "interface",
      "create",
      SERVER,
      "--mode",
      "multipeer",
      "--address",
      "10.8.0.1/24",
      "--up",
      ...at(server),
    ],
  );
  assert.equal(own.name, SERVER);
  await dcoDone("interface", "create", CLIENT, "--address", "10.8.0.2/24", "--up", ...at(client));
  const listed = await dcoJson<{ name: string; mode: string }[]>("interfaces", ...at(server));
  assert.deepEqual(
    listed.map(({ name, mode }) => [name, mode]),
    [[SERVER, "multipeer"]],
  );

  const serverPeer = `id=7,remote=${client.ipv4}:1194,vpn=10.8.0.2`;
  const one = new Running([
    "transport",
    SERVER,
    "--local",
    "0.0.0.0:1194",
    "--peer",
    serverPeer,
    ...at(server),
  ]);
  held.push(one);
  await one.said(/^ready/m);
  const remote = ["--remote", `${server.ipv4}:1194`, "--local", `${client.ipv4}:1194`];
  const two = new Running(["transport", CLIENT, ...remote, "--peer", "id=7", "--json", ...at(client)]);
  held.push(two);
  assert.match(await two.said(/"ready"/), /"peers":\[7\]/);

  const [mine, theirs] = [join(folder, "server.key"), join(folder, "client.key")];
  await dcoDone("key", "generate", mine, theirs);
  await dcoDone("key", "install", SERVER, "7", "--key-file", mine, ...at(server));
  const piped = await dco(["key", "install", CLIENT, "7", "--key-file", "-", ...at(client)], {
    input: readFileSync(theirs, "utf8"),
  });
  assert.equal(piped.status, 0, piped.err);
  await dcoDone("peer", "set", SERVER, "7", "--keepalive", "10:120", ...at(server));
  const { sent, received } = await startPing(network.at(client), "10.8.0.1", { count: 5 }).stop();
  assert.equal(received, sent);

  const [peer] = await dcoJson<Peer[]>("peers", SERVER, "7", ...at(server));
  assert.deepEqual(peer?.remote, { address: client.ipv4, port: 1194 });
  assert.deepEqual(peer?.keepalive, { interval: 10, timeout: 120 });
  assert.deepEqual(await dcoJson<unknown>("keys", SERVER, "7", ...at(server)), [
    { slot: "primary", id: 0, cipher: "aes-gcm" },
  ]);
  const [stats] = await dcoJson<{ id: number; tunnel: { rxPackets: number } }[]>(
    "stats",
    SERVER,
    ...at(server),
  );
  assert.equal(stats?.id, 7);
  assert.ok((stats?.tunnel.rxPackets ?? 0) >= 5);
  assert.match(await dcoDone("peers", SERVER, ...at(server)), /7 .*10\.8\.0\.2 +10:120 +primary 0/);
}

/** All pieces of a key file that could be recognised, in base64 and hex. */
function pieces(path: string): string[] {
  const key = JSON.parse(readFileSync(path, "utf8")) as Record<string, Record<string, string>>;
  const texts = Object.values(key).flatMap((each) => Object.values(each));
  return texts.flatMap((text) => [text, Buffer.from(text, "base64").toString("hex")]);
}

async function secrets({ server, folder }: Scene): Promise<void> {
  const [file, other] = [join(folder, "a.key"), join(folder, "b.key")];
  await dcoDone("key", "generate", file, other);
  const install = [
    "key",
    "install",
    SERVER,
    "7",
    "--slot",
    "secondary",
    "--id",
    "1",
    "--key-file",
    file,
    ...at(server),
  ];
  const traced = await dco(["trace", ...install]);
  assert.equal(traced.status, 0, traced.err);
  assert.match(traced.err, /key-new/);
  for (const piece of pieces(file)) assert.ok(!`${traced.out}${traced.err}`.includes(piece));
  await dcoDone("key", "delete", SERVER, "7", "secondary", ...at(server));
}

async function rotation({ network, server, client, folder }: Scene): Promise<void> {
  const [mine, theirs] = [join(folder, "server2.key"), join(folder, "client2.key")];
  await dcoDone("key", "generate", mine, theirs);
  const slot = ["7", "--slot", "secondary", "--id", "1", "--key-file"];
  await dcoDone("key", "install", SERVER, ...slot, mine, ...at(server));
  await dcoDone("key", "install", CLIENT, ...slot, theirs, ...at(client));
  await dcoDone("key", "swap", SERVER, "7", ...at(server));
  await dcoDone("key", "swap", CLIENT, "7", ...at(client));
  await dcoDone("key", "delete", SERVER, "7", "secondary", ...at(server));
  await dcoDone("key", "delete", CLIENT, "7", "secondary", ...at(client));
  const [peer] = await dcoJson<Peer[]>("peers", SERVER, "7", ...at(server));
  assert.deepEqual(
    peer?.keys.map(({ slot: name, id }) => [name, id]),
    [["primary", 1]],
  );
  const { sent, received } = await startPing(network.at(client), "10.8.0.1", { count: 3 }).stop();
  assert.equal(received, sent);
}

async function top({ network, server, client }: Scene): Promise<void> {
  const ping = startPing(network.at(client), "10.8.0.1");
  const out = await dcoDone("top", SERVER, "--count", "2", "--interval", "1", "--json", ...at(server));
  await ping.stop();
  const tables = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { peers: { peer: number; rxRate?: number }[] });
  assert.equal(tables.length, 2);
  assert.equal(tables[0]?.peers[0]?.rxRate, undefined);
  assert.ok((tables[1]?.peers[0]?.rxRate ?? 0) > 0);
}

async function refusals({ server, folder }: Scene): Promise<void> {
  const key = join(folder, "server.key");
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [3, ["peers", "dk-none"]],
    [3, ["peers", SERVER, "99"]],
    [3, ["key", "swap", SERVER, "7"]],
    [3, ["key", "install", SERVER, "7", "--key-file", join(folder, "none")]],
    [4, ["interface", "create", SERVER, "--mode", "multipeer"]],
    [2, ["peer", "set", SERVER, "7"]],
    [2, ["peer", "set", SERVER, "7", "--keepalive", "60:10"]],
    [2, ["key", "install", SERVER, "7", "--cipher", "aes-128-gcm", "--key-file", key]],
    [
      7,
      [
        "transport",
        SERVER,
        "--local",
        "0.0.0.0:1195",
        "--peer",
        "id=9,vpn=10.8.0.9",
        "--backend",
        "userspace",
      ],
    ],
  ];
  for (const [index, [status, args]] of cases.entries()) {
    const where = args.includes("userspace") ? [] : at(server);
    const json = index % 3 === 0;
    const told = await dco([...args, ...where, ...(json ? ["--json"] : [])]);
    assert.equal(told.status, status, `${args.join(" ")}: ${told.out}${told.err}`);
    if (json) assert.equal(typeof JSON.parse(told.err).error.message, "string");
    else assert.match(told.err, /^dco: .+\n$/, args.join(" "));
    for (const piece of pieces(key)) assert.ok(!told.err.includes(piece));
  }
}

async function ends({ server, client, held }: Scene): Promise<void> {
  const events = new Running(["events", SERVER, "--follow", "--json", ...at(server)]);
  held.push(events);
  await events.said(/^listening/m);
  await dcoDone("peer", "remove", SERVER, "7", ...at(server));
  const line = await events.said(/peer-deleted/);
  assert.match(line, /"peer":7/);
  // Nothing is left for which to hold the socket.
  const [one, two] = held as [Running, Running];
  assert.equal((await one.ended).status, 0);
  assert.equal((await events.stop("SIGINT")).status, 0);
  const ended = await two.stop("SIGINT");
  assert.equal(ended.status, 0, ended.err);
  assert.deepEqual(await dcoJson<unknown>("peers", CLIENT, ...at(client)), []);
}

async function interrupted({ network, server }: Scene): Promise<void> {
  const name = "dk-passing";
  const words = [
    "transport",
    name,
    "--create",
    "p2p",
    "--remote",
    "192.0.2.99:1194",
    "--peer",
    "id=1",
    ...at(server),
  ];
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const running = new Running(words);
    await running.said(/^ready/m);
    assert.ok(network.interfacesAt(server).includes(name));
    assert.equal((await running.stop(signal)).status, 0);
    assert.ok(!network.interfacesAt(server).includes(name), `${signal} left the interface behind`);
  }
  // At any moment before it is ready.
  for (const pause of [300, 900, 1500]) {
    const running = new Running(words);
    await new Promise((resolve) => setTimeout(resolve, pause));
    await running.stop("SIGINT");
    assert.ok(
      !network.interfacesAt(server).includes(name),
      `Ctrl-C after ${pause} ms left the interface behind`,
    );
  }
}

/** What waits for something else than its end: it was not done. */
async function interruptedWaiting({ network, server }: Scene): Promise<void> {
  const name = "dk-passing";
  const listen = ["--protocol", "tcp", "--listen", "--local", "0.0.0.0:1199", "--peer", "id=1,vpn=10.8.9.2"];
  const waiting = new Running(["transport", name, "--create", "multipeer", ...listen, ...at(server)]);
  await waiting.said(/^listening/m);
  assert.deepEqual(await waiting.stop("SIGINT"), {
    status: 130,
    out: "listening on 0.0.0.0:1199\n",
    err: "",
  });
  assert.ok(!network.interfacesAt(server).includes(name));
  // In the middle of its work: all of it is done, or nothing is left.
  const addresses = Array.from({ length: 40 }, (_, n) => ["--address", `10.77.${n}.1/24`]).flat();
  for (const pause of [600, 900, 1200, 1500, 2000]) {
    const creating = new Running(["interface", "create", name, ...addresses, "--up", ...at(server)]);
    await new Promise((resolve) => setTimeout(resolve, pause));
    const { status, err } = await creating.stop("SIGINT");
    const there = network.interfacesAt(server).includes(name);
    assert.equal(there, status === 0, `after ${pause} ms: status ${status}, ${err}`);
    if (there) await dcoDone("interface", "delete", name, ...at(server));
  }
  for (const words of [
    ["top", SERVER, "--interval", "60"],
    ["events", "--follow"],
    ["trace", "events", SERVER, "--follow"],
  ]) {
    const running = new Running([...words, ...at(server)]);
    await running.said(words[0] === "top" ? /PEER/ : /^listening/m);
    assert.equal((await running.stop("SIGINT")).status, 0, words.join(" "));
  }
}

async function tcp({ server, client, held }: Scene): Promise<void> {
  const listen = ["--protocol", "tcp", "--listen", "--local", "0.0.0.0:1195"];
  const one = new Running(["transport", SERVER, ...listen, "--peer", "id=1,vpn=10.8.0.2", ...at(server)]);
  held.push(one);
  await one.said(/^listening/m);
  const remote = ["--protocol", "tcp", "--remote", `${server.ipv4}:1195`];
  const two = new Running(["transport", CLIENT, ...remote, "--peer", "id=1", ...at(client)]);
  held.push(two);
  await Promise.all([one.said(/^ready/m), two.said(/^ready/m)]);
  const [peer] = await dcoJson<Peer[]>("peers", SERVER, ...at(server));
  assert.equal(peer?.id, 1);
  // The other end closes the connection: the server's peer ends, and with it the command.
  assert.equal((await two.stop("SIGTERM")).status, 0);
  assert.match((await one.ended).out, /peer 1 has ended: transport-disconnect/);
}

async function cleanUp({ network, server, client }: Scene): Promise<void> {
  await dcoDone("interface", "delete", SERVER, ...at(server));
  // Its process is dead, and nobody has taken it over.
  const cleaned = await dcoJson<{ name: string }[]>("interface", "clean", ...at(client));
  assert.deepEqual(
    cleaned.map(({ name }) => name),
    [CLIENT],
  );
  for (const site of [server, client]) {
    await eventually(
      "no interfaces",
      () => network.interfacesAt(site),
      (left) => left.length === 0,
    );
  }
}
