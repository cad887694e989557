/**
 * A process that tries everything with ever more free descriptors, from none.
 *
 * Arguments: a JSON object { address, namespace, elsewhere }: an address of its own, and another network namespace
 * with an address there. Prints a line of JSON for each try; see cases/descriptors.ts.
 */
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { stat } from "node:fs/promises";
import { DcoError } from "../../../src/core/errors.ts";
import { parseIp } from "../../../src/core/ip.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import { createPosix } from "../../../src/ffi/posix.ts";
import { AF_INET, packSockaddrBytes } from "../../../src/ffi/sockaddr.ts";
import { openLinuxDriver } from "../../../src/linux/index.ts";
import { freshKey } from "../keys.ts";

interface Order {
  readonly address: string;
  readonly namespace: string;
  readonly elsewhere: string;
}

const { address, namespace, elsewhere } = JSON.parse(process.argv[2] as string) as Order;

/** Time that closing gets. */
const GRACE_MS = 2000;
/** Tries with ever more free descriptors, until this many have gone well in a row. */
const ENOUGH = 3;

const SOCK_DGRAM = 2;
const posix = createPosix(loadFfi());
const adopted = posix.socket(AF_INET, SOCK_DGRAM, 0);
posix.bind(adopted, packSockaddrBytes(parseIp(address) as Uint8Array, 0));

async function everything(): Promise<void> {
  const driver = await openLinuxDriver();
  try {
    const dco = await driver.createInterface({ mode: "multipeer" });
    await dco.configure({ addresses: ["10.8.0.1/24"], up: true });
    const transport = await dco.openTransport({ protocol: "udp", local: { address, port: 0 } });
    await dco.addPeer({ id: 1, transport, remote: "192.0.2.99:1194", vpn: { ipv4: "10.8.0.2" } });
    await dco.installKey(1, freshKey());
    await dco.openTransport({ protocol: "udp", adopt: { fd: adopted } });
    const listener = await dco.listen({ protocol: "tcp", local: { address, port: 0 } });
    await dco.openTransport({ protocol: "tcp", remote: { address, port: listener.local.port } });
    await dco.openTransport({ protocol: "udp", local: { address: elsewhere, port: 0 }, namespace });
    await driver.createInterface({ mode: "p2p", namespace });
    await dco.stats();
    await dco.removePeer(1);
    await transport.close();
    await listener.close();
  } finally {
    await driver.close();
  }
}

function open(): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      found.set(name, readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // That of this very listing.
    }
  }
  return found;
}

/** Leaves exactly this many descriptors; what gives the others back. */
function leave(free: number): () => void {
  const fillers: number[] = [];
  for (;;) {
    try {
      fillers.push(openSync("/dev/null", "r"));
    } catch {
      break;
    }
  }
  for (const filler of fillers.splice(0, free)) closeSync(filler);
  return () => {
    for (const filler of fillers) closeSync(filler);
  };
}

async function left(before: ReadonlyMap<string, string>): Promise<string[]> {
  const deadline = performance.now() + GRACE_MS;
  for (;;) {
    const found = [...open()].filter(([name, what]) => before.get(name) !== what);
    if (found.length === 0 || performance.now() > deadline)
      return found.map(([name, what]) => `${name} ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// What is loaded and started once.
await everything();
await Promise.all(Array.from({ length: 16 }, () => stat("/")));
for (let free = 0, well = 0; well < ENOUGH; free++) {
  const before = open();
  const giveBack = leave(free);
  let failed: object | undefined;
  try {
    await everything();
    well++;
  } catch (error) {
    well = 0;
    failed = DcoError.is(error)
      ? {
          operation: error.operation ?? "openDriver",
          code: error.code,
          native: error.native?.name,
          message: error.message,
        }
      : { operation: "none", code: String(error) };
  }
  giveBack();
  process.stdout.write(`${JSON.stringify({ free, failed, left: await left(before) })}\n`);
}
