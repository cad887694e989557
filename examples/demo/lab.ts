/**
 * The demo's network: three hosts as network namespaces, joined by a bridge that stands for the Internet.
 *
 *     client1 eth0 --- to-client1 \
 *                                  bridge "internet", server
 *     client2 eth0 --- to-client2 /
 *
 * All of it is in the namespaces, so it goes with them. Their names tell whose they are: what a killed demo
 * has left is removed by the next one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { inside, ip, run } from "./command.ts";
import type { Site } from "./stage.ts";

/** One host: a network namespace with an address outside the tunnel and two inside. */
export interface Host extends Site {
  readonly namespace: string;
  readonly outer: string;
}

/** Where `ip netns` keeps its names. */
const NAMES = "/run/netns";

/** `dcokit-demo-`, process id, start time of that process, host. */
const OURS = /^dcokit-demo-(\d+)-(\d+)-/;

/** Addresses for documentation (RFC 5737, RFC 3849): certainly nobody's. */
const OUTER = { 4: { prefix: "192.0.2.", bits: 24 }, 6: { prefix: "2001:db8::", bits: 64 } };

export class Lab {
  readonly server: Host;
  readonly clients: readonly [Host, Host];
  readonly #bits: number;

  /** Only chooses names and addresses. */
  constructor(family: 4 | 6) {
    const { prefix, bits } = OUTER[family];
    const owner = `dcokit-demo-${process.pid}-${startTime("self")}`;
    const host = (name: string, number: number): Host => ({
      name,
      namespace: `${owner}-${name}`,
      outer: `${prefix}${number}`,
      vpn: { ipv4: `10.8.0.${number}`, ipv6: `fd00:8::${number}` },
    });
    this.#bits = bits;
    this.server = host("server", 1);
    this.clients = [host("client1", 2), host("client2", 3)];
  }

  get hosts(): readonly Host[] {
    return [this.server, ...this.clients];
  }

  /** Makes the namespaces and wires them up. */
  async create(signal: AbortSignal): Promise<void> {
    const { server } = this;
    await ip(
      this.hosts.map(({ namespace }) => `netns add ${namespace}`),
      signal,
    );
    await ip(
      [
        `link add internet netns ${server.namespace} type bridge`,
        ...this.clients.map(
          ({ name, namespace }) =>
            `link add eth0 netns ${namespace} type veth peer name to-${name} netns ${server.namespace}`,
        ),
      ],
      signal,
    );
    await this.#inHost(server, signal, [
      "link set lo up",
      ...this.clients.map(({ name }) => `link set to-${name} master internet up`),
      ...this.#outerAddress("internet", server),
    ]);
    for (const client of this.clients) {
      await this.#inHost(client, signal, ["link set lo up", ...this.#outerAddress("eth0", client)]);
    }
    // The server passes packets from one client to the other.
    const forward = "echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv6/conf/all/forwarding";
    await run(inside(server.namespace, "sh", "-c", forward), signal);
  }

  /** Pulls the plug: the host hears nothing any more, and nobody hears it. */
  async unplug(host: Host, signal: AbortSignal): Promise<void> {
    await this.#inHost(host, signal, ["link set eth0 down"]);
  }

  /** Removes those of the three that are there, with whatever still runs in them. */
  async remove(): Promise<void> {
    const mine = this.hosts.map(({ namespace }) => namespace);
    for (const name of names()) if (mine.includes(name)) await removeNamespace(name);
  }

  async #inHost(host: Host, signal: AbortSignal, lines: readonly string[]): Promise<void> {
    await run(["ip", "-n", host.namespace, "-batch", "-"], signal, `${lines.join("\n")}\n`);
  }

  #outerAddress(device: string, host: Host): string[] {
    // Without duplicate address detection the IPv6 address can be used at once.
    const flags = host.outer.includes(":") ? " nodad" : "";
    return [`addr add ${host.outer}/${this.#bits} dev ${device}${flags}`, `link set ${device} up`];
  }
}

/** Removes the namespaces of demos that have died; returns their names. */
export async function removeLeftovers(): Promise<string[]> {
  const left = names().filter((name) => {
    const owner = OURS.exec(name);
    return owner !== null && startTime(owner[1] as string) !== owner[2];
  });
  for (const name of left) await removeNamespace(name);
  return left;
}

async function removeNamespace(name: string): Promise<void> {
  // A process in it would keep it alive, and the tunnel with it.
  const pids = await run(["ip", "netns", "pids", name]).catch(() => "");
  for (const pid of pids.split("\n").filter((line) => line !== "")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has just ended.
    }
  }
  await run(["ip", "netns", "delete", name]);
}

function names(): string[] {
  try {
    return readdirSync(NAMES);
  } catch {
    // Nobody has made a namespace since the machine started.
    return [];
  }
}

/** In clock ticks since boot (proc(5), field 22 of stat): tells a process from a later one with its id. */
function startTime(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
