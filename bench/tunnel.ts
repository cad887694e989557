/**
 * What goes through a tunnel in a second: the kernel's DCO, the userspace backend on TUN devices, and OpenVPN itself
 * without DCO, between the same two network namespaces, in turn. One TCP stream; the packets inside have 1,400 bytes.
 *
 *   node bench/tunnel.ts PROGRAM ROWS_FILE --openvpn FILE --openssl FILE --version TEXT [--seconds N] [--rounds N]
 *
 * As root, with TUN devices; the kernel's DCO is left out where it has none. bench/main.ts starts it.
 */
import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DcoError, openDriver } from "../src/index.ts";
import { eventually, inTime } from "../test/conformance/expect.ts";
import { type LinuxSite, Network } from "../test/conformance/linux/network.ts";
import type { Job } from "../test/conformance/linux/resident.ts";
import { SERVER_VPN, Stage } from "../test/openvpn/stage.ts";
import { limitRow, median, type Row } from "./rows.ts";

const END = fileURLToPath(new URL("./tunnel-end.ts", import.meta.url));
const MTU = 1400;
const TCP_PORT = 5001;
/** OpenVPN's own settings that count here; at the other level it writes a line for each packet. */
const WITHOUT_DCO = ["disable-dco", `tun-mtu ${MTU}`, "data-ciphers AES-256-GCM", "verb 3"];
/** For what takes an emulated machine long. */
const START_MS = 120_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    openvpn: { type: "string", default: "openvpn" },
    openssl: { type: "string", default: "openssl" },
    version: { type: "string", default: "" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
  },
});
const [program = "", file = ""] = positionals;
const seconds = Number(values.seconds);
console.log(`# kernel ${release()}`);
const say = (text: string) => process.stderr.write(`bench: ${text}\n`);

/** A tunnel that is up: where its server is inside, and how it ends. */
interface Tunnel {
  readonly address: string;
  close(): Promise<void>;
}

/** Whether there is a kernel's tunnel to compare with. */
async function kernelHasDco(): Promise<boolean> {
  try {
    await (await openDriver()).close();
    return true;
  } catch (error) {
    if (!DcoError.is(error) || error.code !== "unavailable") throw error;
    say(`without the kernel's DCO: ${error.message}`);
    return false;
  }
}

/** Two processes of dcokit, each in its namespace. */
async function dcokit(
  network: Network,
  backend: "kernel" | "userspace",
  inner: string,
  port: number,
): Promise<Tunnel> {
  const [server, client] = network.sites as [LinuxSite, LinuxSite];
  const jobs: Job[] = [];
  const close = async () => {
    for (const job of jobs) await job.signal("SIGTERM");
    for (const job of jobs) await inTime(job.ended, "the end of an end", START_MS);
  };
  for (const [at, [here, there]] of [[server, client] as const, [client, server] as const].entries()) {
    const args = [backend, at + 1, `${here.ipv4}:${port}`, `${there.ipv4}:${port}`, inner, MTU];
    // Under emulation Node crashes now and then without it.
    jobs.push(
      network.at(here).start(`exec '${process.execPath}' --no-wasm-tier-up '${END}' ${args.join(" ")}`),
    );
  }
  try {
    for (const job of jobs) {
      const state = await eventually(
        `the ${backend} end`,
        () => job.output(),
        (output) => output !== "",
        START_MS,
      );
      if (!state.startsWith("ready")) throw new Error(`an end of ${backend} failed: ${job.output()}`);
    }
  } catch (error) {
    for (const job of jobs) say(job.output());
    await close();
    throw error;
  }
  return { address: `${inner}.1`, close };
}

async function openVpn(network: Network): Promise<Tunnel> {
  const stage = await Stage.open(network, values, "udp", ["client1"], WITHOUT_DCO);
  try {
    await stage.client("client1");
  } catch (error) {
    await stage.close();
    throw error;
  }
  return { address: SERVER_VPN, close: () => stage.close() };
}

/** Megabytes a second through a tunnel, or without one, after as long a time to warm up. */
async function stream(network: Network, address: string): Promise<number> {
  const [server, client] = network.sites as [LinuxSite, LinuxSite];
  const receiver = network
    .at(server)
    .start(`exec '${program}' receive ${address} ${TCP_PORT} ${seconds * 1000}`);
  try {
    await eventually(
      "the receiver",
      () => receiver.output(),
      (output) => output !== "",
    );
    const sent = network.at(client).run(`'${program}' send ${address} ${TCP_PORT} ${2 * seconds * 1000}`);
    await inTime(sent, "the stream", (2 * seconds + 60) * 1000);
    const { output, status } = await inTime(receiver.ended, "the receiver");
    const [, bytes, took] = /(\d+) ([\d.]+)$/.exec(output) ?? [];
    if (status !== 0 || bytes === undefined) throw new Error(`the receiver said: ${output}`);
    return Number(bytes) / Number(took) / 1e6;
  } finally {
    await receiver.signal("SIGKILL");
  }
}

function row(name: string, value: readonly number[], reference: readonly number[], against: string): Row {
  const [ours, theirs] = [median(value), median(reference)];
  return {
    name: `tunnel, ${name}`,
    unit: "MB/s",
    value: ours,
    reference: theirs,
    ratio: ours / theirs,
    against,
    rounds: { value, reference },
  };
}

const network = await Network.create();
const tunnels: Tunnel[] = [];
const rates = new Map<string, number[]>();
const openvpn = `OpenVPN ${values.version} without DCO`;
const ways: Record<string, () => Promise<Tunnel>> = {
  ...((await kernelHasDco()) && { "kernel DCO": () => dcokit(network, "kernel", "10.9.1", 1195) }),
  userspace: () => dcokit(network, "userspace", "10.9.2", 1196),
  [openvpn]: () => openVpn(network),
  "no tunnel": async () => ({ address: (network.sites[0] as LinuxSite).ipv4, close: async () => {} }),
};
try {
  for (const [name, open] of Object.entries(ways)) {
    tunnels.push(await open());
    rates.set(name, []);
    say(`${name}: ready`);
  }
  for (let round = 1; round <= Number(values.rounds); round++) {
    const told: string[] = [];
    for (const [at, [name, measured]] of [...rates].entries()) {
      measured.push(await stream(network, (tunnels[at] as Tunnel).address));
      told.push(`${name} ${measured.at(-1)?.toFixed(2)}`);
    }
    say(`round ${round} of ${values.rounds}, MB/s: ${told.join(", ")}`);
  }
} finally {
  for (const tunnel of tunnels.reverse()) await tunnel.close();
  await network.close();
}
const of = (name: string) => rates.get(name) ?? [];
const rows: Row[] = [];
if (rates.has("kernel DCO")) {
  rows.push(row("kernel DCO", of("kernel DCO"), of(openvpn), openvpn));
  rows.push(row("userspace", of("userspace"), of("kernel DCO"), "kernel DCO"));
}
rows.push(row("userspace", of("userspace"), of(openvpn), openvpn));
rows.push(
  limitRow("tunnel, the same stream without one", "MB/s", median(of("no tunnel")), null, "two namespaces"),
);
writeFileSync(file, JSON.stringify(rows));
