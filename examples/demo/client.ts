/**
 * One of the demo's VPN clients: a p2p interface whose only peer is the server.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type CipherName,
  type DcoInterface,
  type Keepalive,
  KeySchedule,
  type Transport,
} from "../../src/index.ts";
import {
  ask,
  type Hello,
  newSession,
  OPCODE,
  type SharedSession,
  sessionKeys,
  type Welcome,
} from "./control.ts";
import { MTU, TRANSITION_MS } from "./server.ts";
import type { End, Site } from "./stage.ts";

/** Packets with one key before the demo takes a new one. A real client leaves the limits as they are. */
const REKEY_PACKETS = 100;

/** What there is once the server has answered. */
export interface ClientSession {
  readonly peerId: number;
  readonly shared: SharedSession;
  readonly schedule: KeySchedule;
}

export class Client<Host extends Site = Site, Dco extends DcoInterface = DcoInterface> {
  readonly host: Host;
  readonly cipher: CipherName;
  readonly dco: Dco;
  readonly transport: Transport;
  readonly #end: End;
  readonly #keepalive: Keepalive;
  #session: ClientSession | undefined;

  /** @param end a p2p interface, and a transport to the server */
  constructor(end: End<Host, Dco>, cipher: CipherName, keepalive: Keepalive) {
    this.host = end.host;
    this.cipher = cipher;
    this.dco = end.dco;
    this.transport = end.transport;
    this.#end = end;
    this.#keepalive = keepalive;
  }

  get session(): ClientSession {
    if (this.#session === undefined) throw new Error(`${this.host.name} has not connected`);
    return this.#session;
  }

  /** The handshake; then packets can flow. */
  async connect(secret: Uint8Array, signal: AbortSignal): Promise<void> {
    const { cipher, dco, transport } = this;
    const client = newSession();
    const body: Hello = { name: this.host.name, cipher };
    const hello = { opcode: OPCODE.hardResetClient, keyId: 0, session: client, body };
    const answer = await ask(transport, hello, OPCODE.hardResetServer, signal);
    const { peerId, ipv4, ipv6 } = answer.body as Welcome;

    const { capabilities } = this.#end;
    // A stream of packets has no addresses: who reads it has them.
    const addresses = capabilities.systemInterface && { addresses: [`${ipv4}/24`, `${ipv6}/64`] };
    await dco.configure({ ...addresses, mtu: MTU, up: true });
    await dco.addPeer({ id: peerId, transport, keepalive: this.#keepalive });
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
