/**
 * The demo's VPN server: one multipeer interface, one UDP socket, a key schedule for each client.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type DcoInterface,
  type Endpoint,
  type Keepalive,
  KeySchedule,
  type Transport,
} from "../../src/index.ts";
import {
  decodeMessage,
  encodeMessage,
  type Hello,
  type Message,
  newSession,
  OPCODE,
  type SharedSession,
  sessionKeys,
  type Welcome,
} from "./control.ts";
import type { End, Site } from "./stage.ts";

/** OpenVPN's port. */
export const PORT = 1194;

/** The server ends a client that it has not heard of for 4 seconds; each end sends at least every second. */
export const KEEPALIVE = { interval: 1, timeout: 4 };

/** How long packets with the old key may still be under way after a rotation. */
export const TRANSITION_MS = 300;

/** Room for the outer headers in a packet of 1500 bytes. */
export const MTU = 1400;

/** What the server knows of one client. */
export interface ServerSession {
  readonly peerId: number;
  readonly shared: SharedSession;
  readonly schedule: KeySchedule;
}

export class Server<Host extends Site = Site, Dco extends DcoInterface = DcoInterface> {
  readonly host: Host;
  readonly dco: Dco;
  readonly transport: Transport;
  readonly #end: End;
  readonly #keepalive: Keepalive;
  readonly #secret: Uint8Array;
  readonly #clients: readonly Site[];
  /** By the client's session id. */
  readonly #sessions = new Map<string, ServerSession>();

  /**
   * Serves until the transport closes.
   *
   * @param end a multipeer interface, configured, and a transport
   * @param clients who may connect; OpenVPN would know them by their certificates
   */
  constructor(
    end: End<Host, Dco>,
    secret: Uint8Array,
    clients: readonly Site[],
    keepalive: Keepalive,
    onError: (error: unknown) => void,
  ) {
    this.host = end.host;
    this.dco = end.dco;
    this.transport = end.transport;
    this.#end = end;
    this.#keepalive = keepalive;
    this.#secret = secret;
    this.#clients = clients;
    this.#serve().catch(onError);
  }

  /** Answers control packets one after another, until the transport closes. */
  async #serve(): Promise<void> {
    for await (const { data, from } of this.transport.packets()) {
      const message = decodeMessage(data);
      const answer = message && (await this.#answer(message, from));
      if (answer) await this.transport.send(encodeMessage(answer), { to: from });
    }
  }

  async #answer(message: Message, from: Endpoint): Promise<Message | undefined> {
    const { opcode, keyId } = message;
    if (opcode === OPCODE.hardResetClient) return this.#welcome(message, from);
    const session = this.#sessions.get(message.session);
    if (session === undefined) return undefined;
    const { schedule, shared } = session;
    const { primary, secondary } = schedule.state;
    if (opcode === OPCODE.softReset) {
      // A new key, to decrypt with. Asked again, the same answer.
      if (keyId !== primary && keyId !== secondary) {
        await schedule.install({ id: keyId, ...sessionKeys(shared, keyId, "server") });
      }
    } else if (opcode === OPCODE.ack) {
      // The client encrypts with it: so do we.
      await schedule.activate(keyId);
      if (keyId === secondary && primary !== undefined) void this.#retireLater(session, primary);
    } else {
      return undefined;
    }
    return { opcode, keyId, session: shared.server };
  }

  async #retireLater({ schedule }: ServerSession, keyId: number): Promise<void> {
    await delay(TRANSITION_MS, undefined, { ref: false });
    // The peer may be gone by then, and its keys with it.
    await schedule.retire(keyId).catch(() => {});
  }

  /** A client's first packet: it becomes a peer, and gets its addresses. */
  async #welcome({ session, keyId, body }: Message, from: Endpoint): Promise<Message | undefined> {
    const hello = body as Hello;
    const host = this.#clients.find(({ name }) => name === hello.name);
    if (host === undefined) return undefined;
    const known = this.#sessions.get(session);
    const { peerId, shared } = known ?? (await this.#admit(host, session, hello, from));
    const welcome: Welcome = { peerId, ...host.vpn };
    return { opcode: OPCODE.hardResetServer, keyId, session: shared.server, body: welcome };
  }

  async #admit({ vpn }: Site, client: string, { cipher }: Hello, from: Endpoint): Promise<ServerSession> {
    const peerId = this.#sessions.size + 1;
    const shared = { secret: this.#secret, client, server: newSession(), cipher };
    const { dco, transport } = this;
    await dco.addPeer({ id: peerId, transport, remote: from, vpn, keepalive: this.#keepalive });
    const schedule = new KeySchedule(dco, peerId, { capabilities: this.#end.capabilities });
    await schedule.install(sessionKeys(shared, 0, "server"));
    const session = { peerId, shared, schedule };
    this.#sessions.set(client, session);
    return session;
  }
}
