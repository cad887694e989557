/**
 * A bulk transfer through the tunnel: TCP between two child processes, each in its host.
 */
import { fileURLToPath } from "node:url";
import { type Child, finished, inside, start } from "./command.ts";
import type { Host } from "./lab.ts";

const SCRIPT = fileURLToPath(new URL("./bulk-end.js", import.meta.url));
const PORT = 5001;

/** What bulk-end.js prints. */
interface BulkEnd {
  /** SHA-256 digests in hex. */
  readonly sent: string;
  readonly received: string;
  readonly receivedBytes: number;
  /** From the connection to the end. */
  readonly seconds: number;
}

/** Sends so many random bytes there and back; returns the seconds. Errors if they do not arrive as they were sent. */
export async function bulkTransfer(
  client: Host,
  server: Host,
  family: "ipv4" | "ipv6",
  bytes: number,
  signal: AbortSignal,
): Promise<number> {
  const address = server.vpn[family];
  const end = (host: Host, role: string): Child => {
    const command = [process.execPath, SCRIPT, role, address, `${PORT}`, `${bytes}`];
    return start(inside(host.namespace, ...command), signal);
  };
  const children = [end(server, "listen"), end(client, "connect")];
  try {
    const [atServer, atClient] = (await Promise.all(children.map(report))) as [BulkEnd, BulkEnd];
    check(`from ${client.name}`, bytes, atClient, atServer);
    check(`to ${client.name}`, bytes, atServer, atClient);
    return atClient.seconds;
  } finally {
    // If one end failed, the other would wait for it.
    for (const child of children) child.kill("SIGKILL");
  }
}

async function report(child: Child): Promise<BulkEnd> {
  return JSON.parse(await finished(child));
}

function check(direction: string, bytes: number, sender: BulkEnd, receiver: BulkEnd): void {
  if (receiver.receivedBytes !== bytes || receiver.received !== sender.sent) {
    throw new Error(
      `${direction}: ${receiver.receivedBytes} of ${bytes} bytes arrived, or others than were sent`,
    );
  }
}
