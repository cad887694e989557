/** What this system makes of addresses of loopback: Wine sends from 127.0.0.1, whatever a socket is bound to. */
import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";

const ONLY = "127.0.0.1";
const OTHER = "127.9.9.9";
const FOREIGN = "192.0.2.99";

/** Found by trying. */
export interface Loopback {
  /** Address number `last` of a network, of which the first three numbers are given. */
  addressOf(network: string, last: number): string;
  /** Sockets can be bound to addresses that this machine does not have. */
  readonly bindsAnywhere: boolean;
}

/** Tries it with three sockets. */
export async function tryLoopback(): Promise<Loopback> {
  const sockets = [createSocket("udp4"), createSocket("udp4"), createSocket("udp4")] as const;
  const [receiver, sender, foreign] = sockets;
  try {
    receiver.bind(0, ONLY);
    await once(receiver, "listening");
    const received = once(receiver, "message", { signal: AbortSignal.timeout(1000) });
    sender.bind(0, OTHER);
    sender.send("?", receiver.address().port, ONLY);
    const wide = await received.then(
      ([, from]) => (from as RemoteInfo).address === OTHER,
      () => false,
    );
    foreign.bind(0, FOREIGN);
    const bindsAnywhere = await once(foreign, "listening").then(
      () => true,
      () => false,
    );
    return { addressOf: (network, last) => (wide ? `${network}.${last}` : ONLY), bindsAnywhere };
  } finally {
    for (const socket of sockets) socket.close();
  }
}
