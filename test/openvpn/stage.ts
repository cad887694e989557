/**
 * A server and its clients, each in a network namespace, and dcokit beside them.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../conformance/expect.ts";
import type { LinuxSite, Network } from "../conformance/linux/network.ts";
import { createIdentity, type Identity } from "./certificates.ts";
import { OpenVpn, PORT, type Protocol } from "./openvpn.ts";
import type { StatusClient } from "./status.ts";
import { Traffic } from "./traffic.ts";

/** Where the programs of Debian's packages are. */
export interface Installation {
  readonly openvpn: string;
  readonly openssl: string;
}

/** The server's address inside the tunnel. */
export const SERVER_VPN = "10.8.0.1";

/** See the module's comment. */
export class Stage {
  readonly protocol: Protocol;
  readonly network: Network;
  /** A driver's option: where the server is. */
  readonly extras: { readonly namespace: string };
  readonly server: OpenVpn;
  readonly #folder: string;
  readonly #openvpn: string;
  readonly #identities: ReadonlyMap<string, Identity>;
  readonly #more: readonly string[];
  readonly #onClose: (() => Promise<void>)[] = [];

  private constructor(
    protocol: Protocol,
    network: Network,
    server: OpenVpn,
    parts: {
      folder: string;
      openvpn: string;
      identities: ReadonlyMap<string, Identity>;
      more: readonly string[];
    },
  ) {
    this.protocol = protocol;
    this.network = network;
    this.server = server;
    this.extras = { namespace: siteOf(network, "server").namespace };
    this.#folder = parts.folder;
    this.#openvpn = parts.openvpn;
    this.#identities = parts.identities;
    this.#more = parts.more;
  }

  /**
   * Makes certificates for the server and for clients of these names, and starts the server.
   *
   * @param more further lines of everybody's configuration
   */
  static async open(
    network: Network,
    { openvpn, openssl }: Installation,
    protocol: Protocol,
    names: readonly string[],
    more: readonly string[] = [],
  ): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), "dcokit-openvpn-"));
    const made = [];
    for (const name of ["server", ...names]) {
      made.push([name, await createIdentity(openssl, folder, name)] as const);
    }
    const [[, identity] = assert.fail(), ...clients] = made;
    const site = siteOf(network, "server");
    const server = await OpenVpn.server({ openvpn, folder }, network.at(site), {
      protocol,
      address: site.ipv4,
      identity,
      clients: clients.map(([, each]) => each),
      more,
    });
    return new Stage(protocol, network, server, { folder, openvpn, identities: new Map(made), more });
  }

  site(name: string): LinuxSite {
    return siteOf(this.network, name);
  }

  /**
   * Starts a client at the site of its name; resolves when its tunnel is there.
   *
   * @param renegotiate seconds between two keys; 0: never
   */
  async client(name: string, renegotiate = 0): Promise<OpenVpn> {
    const programs = { openvpn: this.#openvpn, folder: this.#folder };
    const client = await OpenVpn.client(programs, this.network.at(this.site(name)), name, {
      protocol: this.protocol,
      server: this.site("server").ipv4,
      identity: this.#identity(name),
      serverIdentity: this.#identity("server"),
      renegotiate,
      more: this.#more,
    });
    this.#onClose.push(() => client.destroy());
    return client;
  }

  /** Lets a client ping the server through the tunnel. Resolves with the first answer. */
  async traffic(client: OpenVpn): Promise<Traffic> {
    const traffic = new Traffic(client.at, SERVER_VPN);
    this.#onClose.push(() => traffic.stop());
    await eventually(
      "the first ping",
      () => traffic.answered(),
      (answered) => answered > 0,
    );
    return traffic;
  }

  /** Gives a client's site another address, until the stage is closed. */
  async move(name: string): Promise<string> {
    const site = this.site(name);
    const { ipv4 } = await this.network.move(site);
    this.#onClose.push(() => this.network.moveBack(site));
    return ipv4;
  }

  /** What the server says of a client. */
  async status(name: string): Promise<StatusClient> {
    const clients = await this.server.status();
    const found = clients.filter((client) => client.name === name);
    assert.equal(found.length, 1, `the server's clients: ${clients.map((client) => client.name).join(", ")}`);
    return found[0] as StatusClient;
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    for (const step of this.#onClose.reverse()) await step();
    await this.server.destroy();
    rmSync(this.#folder, { recursive: true });
  }

  #identity(name: string): Identity {
    return this.#identities.get(name) ?? assert.fail(`${name} has no certificate`);
  }
}

/** The port of a client's socket, as the system lists it. */
export async function socketPort(client: OpenVpn, protocol: Protocol): Promise<number> {
  const list = await client.at.run(`ss -Hn${protocol === "udp" ? "u" : "t"}a`);
  const lines = list.split("\n").filter((line) => protocol === "udp" || line.includes(`:${PORT}`));
  assert.equal(lines.length, 1, `the client's sockets: ${list}`);
  const port = /^\S+\s+\d+\s+\d+\s+\S+:(\d+)\s/.exec(lines[0] ?? "")?.[1];
  return Number(port ?? assert.fail(`not a line of ss: ${list}`));
}

function siteOf(network: Network, name: string): LinuxSite {
  return network.sites.find((site) => site.name === name) ?? assert.fail(`no site ${name}`);
}
