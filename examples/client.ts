/**
 * The smallest client: one tunnel to one server, until that goes away. (For "../src/index.ts" read "dcokit".)
 *
 * dcokit does the data channel. YOU BRING the control channel: TLS, authentication, and what the server pushes.
 */
import { type CipherName, deriveDataKeys, KeySchedule, openDriver, type Transport } from "../src/index.ts";

/** YOURS: OpenVPN's control channel, over the transport's `packets()` and `send()`. */
export interface ControlChannel {
  logIn(transport: Transport, signal: AbortSignal): Promise<Session>;
  /** Later keys: `confirmed` when the server decrypts with them, `over` when it has left the key before. */
  newKeys(): AsyncIterable<{ ekm: Uint8Array; confirmed: Promise<void>; over: Promise<void> }>;
}

interface Session {
  readonly peerId: number;
  /** With prefix lengths: `10.8.0.2/24`, `fd00:8::2/64`. */
  readonly addresses: readonly string[];
  readonly cipher: CipherName;
  /** 256 bytes of keying material, exported by your TLS session with the label `DATA_KEYS_LABEL`. */
  readonly ekm: Uint8Array;
}

export async function runClient(server: string, control: ControlChannel, signal: AbortSignal): Promise<void> {
  const driver = await openDriver();
  try {
    const dco = await driver.createInterface({ mode: "p2p" });
    const transport = await dco.openTransport({ protocol: "udp", remote: server });
    const { peerId, addresses, cipher, ekm } = await control.logIn(transport, signal);
    await dco.configure({ addresses, mtu: 1400, up: true });
    const events = dco.events({ signal });
    await dco.addPeer({ id: peerId, transport, keepalive: { interval: 10, timeout: 60 } });
    const schedule = new KeySchedule(dco, peerId, { capabilities: driver.capabilities });
    const install = (ekm: Uint8Array) =>
      schedule.install({
        cipher,
        ...deriveDataKeys({ source: "tls-ekm", ekm }, "client", cipher),
        wipe: true,
      });
    await install(ekm);
    await dco.linkUp({ signal }); // from here on packets flow

    const rotate = async () => {
      for await (const key of control.newKeys()) {
        const old = schedule.state.primary;
        const { id } = await install(key.ekm); // it decrypts
        await key.confirmed;
        await schedule.activate(id); // it encrypts
        await key.over;
        if (old !== undefined) await schedule.retire(old);
      }
    };
    const gone = async () => {
      for await (const event of events) if (event.type === "peer-deleted") return;
    };
    await Promise.race([rotate(), gone()]);
  } finally {
    await driver.close();
  }
}
