/**
 * A process that tries every verb without the right to.
 *
 * Arguments: a JSON object { how, address, name, namespace }. How: `user`, it gives up being root once it has an
 * interface with a peer; `namespace`, it is root of a user namespace of its own already; `jail`, it is root where that
 * means nothing, and the interface is somebody else's. Prints a line for each verb: `verb`, and a JSON object
 * { operation, done } or { operation, error }; then `lost`, and how often it was told that the right is lost.
 */
import { flushCompileCache } from "node:module";
import { inspect } from "node:util";
import type { DcoDriver, DcoInterface, Transport } from "../../../src/core/contract.ts";
import { DcoError } from "../../../src/core/errors.ts";
import { openDriver } from "../../../src/index.ts";
import { freshKey } from "../keys.ts";

interface Order {
  readonly how: "user" | "namespace" | "jail";
  readonly address: string;
  /** The interface that is tried. */
  readonly name: string;
  /** On Linux: another network namespace than this process's. */
  readonly namespace?: string;
}

const { how, address, name, namespace } = JSON.parse(process.argv[2] as string) as Order;
const NOBODY = 65534;

async function tries(operation: string, call: () => Promise<unknown>): Promise<void> {
  const outcome = await call().then(
    () => ({ done: true }),
    (error: unknown) => ({ error: DcoError.is(error) ? error : { code: "none", message: inspect(error) } }),
  );
  process.stdout.write(`verb ${JSON.stringify({ operation, ...outcome })}\n`);
}

function peerOf(transport: Transport, id: number) {
  return { id, transport, remote: "192.0.2.99:1194", vpn: { ipv4: `10.8.0.${id}` } };
}

async function interfaceVerbs(dco: DcoInterface, transport: Transport): Promise<void> {
  await tries("addPeer", () => dco.addPeer(peerOf(transport, 9)));
  await tries("setPeer", () => dco.setPeer(1, { keepalive: { interval: 20, timeout: 90 } }));
  await tries("installKey", () => dco.installKey(1, freshKey(1, "secondary")));
  await tries("swapKeys", () => dco.swapKeys(1));
  await tries("deleteKey", () => dco.deleteKey(1, "primary"));
  await tries("keys", () => dco.keys(1));
  await tries("peer", () => dco.peer(1));
  await tries("peers", () => dco.peers());
  await tries("stats", () => dco.stats());
  await tries("configure", () => dco.configure({ mtu: 1300 }));
  await tries("removePeer", () => dco.removePeer(1));
}

async function driverVerbs(driver: DcoDriver): Promise<void> {
  await tries("createInterface", () => driver.createInterface({ mode: "p2p" }));
  if (namespace !== undefined) {
    const there: object = { namespace };
    await tries("createInterface elsewhere", () => driver.createInterface({ mode: "p2p", ...there }));
  }
  await tries("adoptInterface", () => driver.adoptInterface(name));
  if (driver.capabilities.observe) {
    await tries("observe", () => driver.adoptInterface(name, { role: "observer" }));
  }
  await tries("replace", () => driver.createInterface({ mode: "p2p", name, onExisting: "replace" }));
  await tries("deleteInterface", () => driver.deleteInterface(name));
  await tries("listInterfaces", () => driver.listInterfaces());
  await tries("cleanUp", () => driver.cleanUp());
}

async function secondDriver(): Promise<void> {
  let second: DcoDriver | undefined;
  await tries("openDriver", async () => {
    second = await openDriver();
  });
  if (second) await driverVerbs(second);
  await tries("close of the second driver", async () => second?.close());
}

async function withInterface(): Promise<void> {
  const first = await openDriver();
  flushCompileCache?.();
  const dco = await first.createInterface({ mode: "multipeer", name });
  const local = { address: how === "user" ? address : "0.0.0.0", port: 0 };
  const transport = await dco.openTransport({ protocol: "udp", local });
  let lost = 0;
  const reading = (async () => {
    for await (const { type } of dco.events()) if (type === "permission-lost") lost++;
  })();
  if (how === "user") {
    await dco.addPeer(peerOf(transport, 1));
    await dco.installKey(1, freshKey());
    await dco.installKey(1, freshKey(2, "secondary"));
    process.setgroups?.([]);
    process.setgid?.(NOBODY);
    process.setuid?.(NOBODY);
  }
  await interfaceVerbs(dco, transport);
  await secondDriver();
  await tries("close", () => first.close());
  await reading;
  process.stdout.write(`lost ${lost}\n`);
  process.stdout.write(`closed ${JSON.stringify([dco.closed, transport.closed])}\n`);
}

await (how === "jail" ? secondDriver() : withInterface());
