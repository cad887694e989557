/**
 * The smallest server: many clients on one interface and one UDP socket. (For "../src/index.ts" read "dcokit".)
 *
 * dcokit does the data channel. YOU BRING the control channel: TLS, authentication, addresses and keys.
 */
import {
  type CipherName,
  deriveDataKeys,
  type Endpoint,
  KeySchedule,
  openDriver,
  type Transport,
} from "../src/index.ts";

/** YOURS: OpenVPN's control channel, over the transport's `packets()` and `send()`. */
export interface ControlChannel {
  /** Clients as they log in. */
  logins(transport: Transport, signal: AbortSignal): AsyncIterable<Login>;
  /** A client is gone; its peer id and addresses are free again. */
  loggedOut(peerId: number, reason: string): void;
}

interface Login {
  readonly peerId: number;
  readonly remote: Endpoint;
  readonly vpn: { readonly ipv4: string; readonly ipv6: string };
  readonly cipher: CipherName;
  /** 256 bytes of keying material, exported by your TLS session with the label `DATA_KEYS_LABEL`. */
  readonly ekm: Uint8Array;
}

export async function runServer(control: ControlChannel, signal: AbortSignal): Promise<void> {
  const driver = await openDriver();
  try {
    const dco = await driver.createInterface({ mode: "multipeer" });
    await dco.configure({ addresses: ["10.8.0.1/24", "fd00:8::1/64"], mtu: 1400, up: true });
    const transport = await dco.openTransport({ protocol: "udp", local: "[::]:1194" }); // IPv4 too
    const events = dco.events({ signal });
    const schedules = new Map<number, KeySchedule>(); // for later keys, as in client.ts
    const admit = async () => {
      for await (const { peerId: id, remote, vpn, cipher, ekm } of control.logins(transport, signal)) {
        await dco.addPeer({ id, transport, remote, vpn, keepalive: { interval: 10, timeout: 60 } });
        const schedule = new KeySchedule(dco, id, { capabilities: driver.capabilities });
        const keys = deriveDataKeys({ source: "tls-ekm", ekm }, "server", cipher);
        await schedule.install({ cipher, ...keys, wipe: true });
        schedules.set(id, schedule);
      }
    };
    const forget = async () => {
      for await (const event of events) {
        if (event.type !== "peer-deleted") continue;
        schedules.delete(event.peer);
        control.loggedOut(event.peer, event.reason);
      }
    };
    await Promise.all([admit(), forget()]);
  } finally {
    await driver.close();
  }
}
