/**
 * The step after which packets can flow.
 */
import { type Ends, type Stage, verify } from "./stage.ts";

/** Of both clients at the same time; then they are connected. */
export function handshake(
  { report, signal }: Stage,
  { server, clients }: Ends,
  secret: Uint8Array,
): Promise<void> {
  return report.step("Handshake (NOT secure: a shared secret stands in for TLS)", async (say) => {
    await Promise.all(clients.map((client) => client.connect(secret, signal)));
    const peers = await server.dco.peers();
    verify(peers.length === clients.length, `the server has ${peers.length} peers`);
    const { received, sent } = server.transport.counters;
    say(`${peers.length} peers with keys; the server received ${received} control packets and sent ${sent}`);
  });
}
