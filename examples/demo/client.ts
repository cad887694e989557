/**
 * One of the demo's VPN clients: a p2p interface whose only peer is the server.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type CipherName, KeySchedule, type Transport } from "../../src/index.ts";
import type { LinuxDriver, LinuxInterface } from "../../src/linux/index.ts";
import {
  ask,
  type Hello,
  newSession,
  OPCODE,
  type SharedSession,
  sessionKeys,
  type Welcome,
} from "./control.ts";
import type { Host } from "./lab.ts";
import { KEEPALIVE, MTU, PORT, TRANSITION_MS } from "./server.ts";

/** Packets with one key before the demo takes a new one. A real client leaves the limits as they are. */
const REKEY_PACKETS = 100;

/** What there is once the server has answered. */
export interface ClientSession {
  readonly peerId: number;
  readonly shared: SharedSession;
  readonly schedule: KeySchedule;
}

export class Client {
  readonly host: Host;
  readonly cipher: CipherName;
  readonly dco: LinuxInterface;
  readonly transport: Transport;
  readonly #driver: LinuxDriver;
  #session: ClientSession | undefined;

  private constructor(
    driver: LinuxDriver,
    host: Host,
    cipher: CipherName,
    dco: LinuxInterface,
    transport: Transport,
  ) {
    this.#driver = driver;
    this.host = host;
    this.cipher = cipher;
    this.dco = dco;
    this.transport = transport;
  }

  static async start(driver: LinuxDriver, host: Host, server: Host, cipher: CipherName): Promise<Client> {
    const dco = await driver.createInterface({ mode: "p2p", namespace: host.namespace });
    const remote = { address: server.outer, port: PORT };
    const transport = await dco.openTransport({ protocol: "udp", remote });
    return new Client(driver, host, cipher, dco, transport);
  }

  get session(): ClientSession {
    if (this.#session === undefined) throw new Error(`${this.host.name} has not connected`);
    return this.#session;
  }

  /** The handshake; then packets can flow. */
  async connect(secret: Uint8Array, signal: AbortSignal): Promise<void> {
    const { cipher, dco, transport } = this;
    const client = newSession();
    const body: Hello = { cipher };
    const hello = { opcode: OPCODE.hardResetClient, keyId: 0, session: client, body };
    const answer = await ask(transport, hello, OPCODE.hardResetServer, signal);
    const { peerId, ipv4, ipv6 } = answer.body as Welcome;

    await dco.configure({ addresses: [`${ipv4}/24`, `${ipv6}/64`], mtu: MTU, up: true });
    await dco.addPeer({ id: peerId, transport, keepalive: KEEPALIVE });
    const { capabilities } = this.#driver;
    const schedule = new KeySchedule(dco, peerId, { capabilities, limits: { packets: REKEY_PACKETS } });
    const shared = { secret, client, server: answer.session, cipher };
    await schedule.install(sessionKeys(shared, 0, "client"));
    await dco.linkUp({ signal });
    this.#session = { peerId, shared, schedule };
  }

  /** Waits until the key schedule advises a new key; returns why. */
  async rekeyAdvised(signal: AbortSignal): Promise<string> {
    for (;;) {
      const [stats] = await this.dco.stats();
      if (stats === undefined) throw new Error("the server is gone");
      const advice = this.session.schedule.advise(stats);
      if (advice.rekey) return advice.reason ?? "unknown";
      await delay(50, undefined, { signal });
    }
  }

  /** Takes a new key. At every moment each end can decrypt what the other encrypts, so no packet is lost. */
  async rotate(signal: AbortSignal): Promise<{ from: number; to: number }> {
    const { schedule, shared } = this.session;
    const { primary: from, nextId: to } = schedule.state;
    if (from === undefined) throw new Error("there is no key to rotate");
    const message = { keyId: to, session: shared.client };
    // Then the server can decrypt with it,
    await ask(this.transport, { opcode: OPCODE.softReset, ...message }, OPCODE.softReset, signal);
    // then we can,
    await schedule.install({ id: to, ...sessionKeys(shared, to, "client") });
    // then we encrypt with it,
    await schedule.activate(to);
    // then the server does.
    await ask(this.transport, { opcode: OPCODE.ack, ...message }, OPCODE.ack, signal);
    await delay(TRANSITION_MS, undefined, { signal });
    await schedule.retire(from);
    return { from, to };
  }
}
