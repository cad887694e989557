/**
 * OpenVPN as a server and as clients, each in a network namespace.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../conformance/expect.ts";
import type { Job, Resident } from "../conformance/linux/resident.ts";
import type { Identity } from "./certificates.ts";

/** What carries the tunnel. */
export type Protocol = "udp" | "tcp";

/** The name of OpenVPN's interface, at the server and at the clients. */
export const DEVICE = "vpn0";

const PORT = 1194;

/** Seconds: a client sends after `interval` without sending; the server gives up after twice `timeout`. */
export const KEEPALIVE = { interval: 2, timeout: 10 } as const;

/** Time for what takes a handshake, in an emulated machine. */
const HANDSHAKE_MS = 60_000;

/** What all of one run have in common. */
export interface Programs {
  readonly openvpn: string;
  /** For configurations, logs and status files. */
  readonly folder: string;
}

/** The server's settings. */
export interface ServerOptions {
  readonly protocol: Protocol;
  readonly address: string;
  readonly identity: Identity;
  readonly clients: readonly Identity[];
}

/** A client's settings. */
export interface ClientOptions {
  readonly protocol: Protocol;
  readonly server: string;
  readonly identity: Identity;
  readonly serverIdentity: Identity;
  /** Seconds between two keys; 0: never. */
  readonly renegotiate: number;
}

/** One process of OpenVPN. */
export class OpenVpn {
  readonly name: string;
  readonly statusFile: string;
  readonly #job: Job;
  readonly #log: string;

  private constructor(programs: Programs, at: Resident, name: string, configuration: readonly string[]) {
    this.name = name;
    const path = (suffix: string) => join(programs.folder, `${name}.${suffix}`);
    this.statusFile = path("status");
    this.#log = path("log");
    writeFileSync(path("conf"), `${configuration.join("\n")}\n`);
    writeFileSync(this.#log, "");
    this.#job = at.start(`exec '${programs.openvpn}' --config '${path("conf")}' >'${this.#log}' 2>&1`);
  }

  /** Starts a server and waits until it listens. */
  static async server(programs: Programs, at: Resident, options: ServerOptions): Promise<OpenVpn> {
    const { protocol, address, identity, clients } = options;
    const server = new OpenVpn(programs, at, "server", [
      ...common(identity, clients),
      `proto ${protocol === "udp" ? "udp4" : "tcp4-server"}`,
      `local ${address}`,
      `port ${PORT}`,
      "topology subnet",
      "server 10.8.0.0 255.255.255.0",
      "server-ipv6 fd00:8::/64",
      "dh none",
      `keepalive ${KEEPALIVE.interval} ${KEEPALIVE.timeout}`,
      `status ${join(programs.folder, "server.status")} 1`,
      "status-version 3",
      "reneg-sec 0",
    ]);
    await server.logged(/Initialization Sequence Completed/);
    return server;
  }

  /** Starts a client and waits until it has its tunnel. */
  static async client(programs: Programs, at: Resident, name: string, options: ClientOptions): Promise<OpenVpn> {
    const { protocol, server, identity, serverIdentity, renegotiate } = options;
    const client = new OpenVpn(programs, at, name, [
      ...common(identity, [serverIdentity]),
      "client",
      `proto ${protocol === "udp" ? "udp4" : "tcp4-client"}`,
      `remote ${server} ${PORT}`,
      "nobind",
      "connect-retry 1 1",
      `reneg-sec ${renegotiate}`,
      // So that the server learns at once that a client exits.
      ...(protocol === "udp" ? ["explicit-exit-notify 1"] : []),
    ]);
    await client.logged(/Initialization Sequence Completed/);
    return client;
  }

  /** Its lines so far, without the time before each. */
  log(): string[] {
    const lines = readFileSync(this.#log, "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line) => line.replace(/^[\d-]+ [\d:]+ /, ""));
  }

  /** Waits until a line says so; the number of such lines. */
  async logged(what: RegExp, times = 1): Promise<number> {
    const count = () => this.log().filter((line) => what.test(line)).length;
    let over = false;
    void this.#job.ended.then(() => {
      over = true;
    });
    const enough = (found: number) => found >= times || over;
    const found = await eventually(`${what} in the log of ${this.name}`, count, enough, HANDSHAKE_MS).catch(
      (error: Error) => {
        throw new Error(`${error.message}; its last lines:\n${this.log().slice(-15).join("\n")}`);
      },
    );
    if (found < times) throw new Error(`${this.name} ended:\n${this.log().slice(-15).join("\n")}`);
    return found;
  }

  /** Whether it handed its data channel to the kernel. */
  usesDco(): boolean {
    return this.log().some((line) => line.includes(`DCO device ${DEVICE} opened`));
  }

  /** Signals it and waits for its end. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    await this.#job.signal(signal);
    await this.#job.ended;
  }
}

function common({ certificate, key }: Identity, others: readonly Identity[]): string[] {
  return [
    `dev ${DEVICE}`,
    "dev-type tun",
    "persist-tun",
    "verb 6",
    `<cert>\n${certificate.trim()}\n</cert>`,
    `<key>\n${key.trim()}\n</key>`,
    `<peer-fingerprint>\n${others.map(({ fingerprint }) => fingerprint).join("\n")}\n</peer-fingerprint>`,
  ];
}
