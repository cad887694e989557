/**
 * OpenVPN as a server and as clients, each in a network namespace.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, inTime } from "../conformance/expect.ts";
import type { Job, Resident } from "../conformance/linux/resident.ts";
import type { Identity } from "./certificates.ts";
import { readStatus, type StatusClient } from "./status.ts";

/** What carries the tunnel. */
export type Protocol = "udp" | "tcp";

/** The name of OpenVPN's interface, at the server and at the clients. */
export const DEVICE = "vpn0";

/** The server's. */
export const PORT = 1194;

/** The server's socket for questions. */
const MANAGEMENT = "management";

/** Seconds: a client sends after `interval` without sending; the server gives up after twice `timeout`. */
export const KEEPALIVE = { interval: 2, timeout: 10 } as const;

/** Time for what takes a handshake, in an emulated machine. */
const HANDSHAKE_MS = 60_000;

/** What all of one run have in common. */
export interface Programs {
  readonly openvpn: string;
  /** For configurations, logs and sockets. */
  readonly folder: string;
}

/** The server's settings. */
export interface ServerOptions {
  readonly protocol: Protocol;
  readonly address: string;
  readonly identity: Identity;
  readonly clients: readonly Identity[];
  /** Further lines of the configuration. */
  readonly more: readonly string[];
}

/** A client's settings. */
export interface ClientOptions {
  readonly protocol: Protocol;
  readonly server: string;
  readonly identity: Identity;
  readonly serverIdentity: Identity;
  /** Seconds between two keys; 0: never. */
  readonly renegotiate: number;
  /** Further lines of the configuration. */
  readonly more: readonly string[];
}

/** One process of OpenVPN. */
export class OpenVpn {
  readonly name: string;
  readonly at: Resident;
  readonly #folder: string;
  readonly #job: Job;
  readonly #log: string;
  #over = false;

  private constructor(programs: Programs, at: Resident, name: string, configuration: readonly string[]) {
    this.name = name;
    this.at = at;
    this.#folder = programs.folder;
    const path = (suffix: string) => join(programs.folder, `${name}.${suffix}`);
    this.#log = path("log");
    writeFileSync(path("conf"), `${configuration.join("\n")}\n`);
    writeFileSync(this.#log, "");
    this.#job = at.start(`exec '${programs.openvpn}' --config '${path("conf")}' >'${this.#log}' 2>&1`);
    void this.#job.ended.then(() => {
      this.#over = true;
    });
  }

  /** Starts a server and waits until it listens. */
  static async server(programs: Programs, at: Resident, options: ServerOptions): Promise<OpenVpn> {
    const { protocol, address, identity, clients, more } = options;
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
      `management ${join(programs.folder, MANAGEMENT)} unix`,
      "reneg-sec 0",
      ...more,
    ]);
    return server.#completed();
  }

  /** Starts a client and waits until it has its tunnel. */
  static async client(
    programs: Programs,
    at: Resident,
    name: string,
    options: ClientOptions,
  ): Promise<OpenVpn> {
    const { protocol, server, identity, serverIdentity, renegotiate, more } = options;
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
      ...more,
    ]);
    return client.#completed();
  }

  async #completed(): Promise<this> {
    try {
      await this.logged(/Initialization Sequence Completed/);
      return this;
    } catch (error) {
      await this.destroy();
      throw error;
    }
  }

  /** Its lines so far, without the time before each. */
  log(): string[] {
    const lines = readFileSync(this.#log, "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line) => line.replace(/^[\d-]+ [\d:]+ (us=\d+ )?/, ""));
  }

  /** Waits until a line says so; the number of such lines. */
  async logged(what: RegExp, times = 1): Promise<number> {
    const count = () => this.log().filter((line) => what.test(line)).length;
    const enough = (found: number) => found >= times || this.#over;
    const found = await eventually(`${what} in the log of ${this.name}`, count, enough, HANDSHAKE_MS).catch(
      (error: Error) => {
        throw new Error(`${error.message}; its last lines:\n${this.log().slice(-15).join("\n")}`);
      },
    );
    if (found < times) throw new Error(`${this.name} ended:\n${this.log().slice(-15).join("\n")}`);
    return found;
  }

  /** What the server says of its clients. */
  status(): Promise<StatusClient[]> {
    return readStatus(join(this.#folder, MANAGEMENT));
  }

  /** Signals it, if it has not ended, and waits for its end. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.#over) await this.#job.signal(signal);
    await inTime(this.#job.ended, `the end of ${this.name}`);
  }

  /** Removes the interface that a process leaves which is killed. */
  async removeInterface(): Promise<void> {
    await this.at.run(`ip link del ${DEVICE} 2>/dev/null || true`);
  }

  /** Ends it at once; nothing of it is left. */
  async destroy(): Promise<void> {
    await this.end("SIGKILL");
    await this.removeInterface();
  }
}

function common({ certificate, key }: Identity, others: readonly Identity[]): string[] {
  return [
    `dev ${DEVICE}`,
    "dev-type tun",
    "data-ciphers-fallback AES-256-GCM",
    "verb 6",
    `<cert>\n${certificate.trim()}\n</cert>`,
    `<key>\n${key.trim()}\n</key>`,
    `<peer-fingerprint>\n${others.map(({ fingerprint }) => fingerprint).join("\n")}\n</peer-fingerprint>`,
  ];
}
