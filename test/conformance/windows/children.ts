/**
 * What cases run in a process of its own: `run.ts --child NAME`. It says `ready` by a line in a file, since under Wine
 * Node cannot write to every pipe.
 */
import { appendFileSync } from "node:fs";
import { inspect } from "node:util";
import type { Transport } from "../../../src/core/contract.ts";
import { freshKey } from "../keys.ts";
import { type Death, live } from "./life.ts";
import { NOWHERE } from "./nowhere.ts";
import { Simulator } from "./simulator.ts";
import { openSubjectDriver } from "./world.ts";

const CHILDREN: Readonly<Record<string, (say: (line: string) => void, death: Death) => Promise<void>>> = {
  busy,
  closed,
  exits,
  kept,
  life: (_say, death) => live(death),
};

/** Runs a child's part. @param file what it has to say goes there */
export async function runChild(name: string, file: string, death: Death): Promise<number> {
  const child = CHILDREN[name];
  if (child === undefined) throw new Error(`there is no child ${name}`);
  const say = (line: string) => appendFileSync(file, `${line}\n`);
  try {
    await child(say, death);
    return 0;
  } catch (error) {
    // Nobody sees what it prints.
    say(`failed: ${inspect(error)}`);
    return 1;
  }
}

/** Opens and closes, adds and removes, over and over, until it is killed. */
async function busy(say: (line: string) => void): Promise<void> {
  const simulator = await Simulator.open();
  const driver = await openSubjectDriver(simulator);
  say("ready");
  const server = async () => {
    for (;;) {
      const dco = await driver.createInterface({ mode: "multipeer", createAdapter: false });
      const transport = await dco.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
      for (let id = 1; id <= 5; id++) {
        const remote = { address: "192.0.2.99", port: 1000 + id };
        await dco.addPeer({ id, transport, remote, vpn: { ipv4: `10.8.0.${id}` } });
        await dco.installKey(id, freshKey());
      }
      await transport.send(Buffer.from([0x38, 1, 2, 3]), { to: NOWHERE });
      await dco.removePeer(1);
      await dco.close();
    }
  };
  const client = async (protocol: "udp" | "tcp") => {
    for (;;) {
      const dco = await driver.createInterface({ mode: "p2p", createAdapter: false });
      const abort = AbortSignal.timeout(20);
      const open = dco.openTransport({ protocol, remote: NOWHERE, signal: abort });
      const transport = await open.catch((): Transport | undefined => undefined);
      if (transport) {
        await dco.addPeer({ id: 1, transport, keepalive: { interval: 1, timeout: 5 } });
        await dco.installKey(1, freshKey());
      }
      await dco.close();
    }
  };
  await Promise.all([server(), client("udp"), client("tcp")]);
}

/** Closes all, and does nothing then: it has to end by itself. */
async function closed(say: (line: string) => void): Promise<void> {
  const simulator = await Simulator.open();
  const driver = await openSubjectDriver(simulator);
  const one = await driver.createInterface({ mode: "multipeer", createAdapter: false });
  await one.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
  const other = await driver.createInterface({ mode: "p2p", createAdapter: false });
  await other.openTransport({ protocol: "udp", remote: NOWHERE });
  // An interface without a transport keeps nobody.
  await driver.createInterface({ mode: "p2p", createAdapter: false });
  await one.close();
  await other.close();
  simulator?.close();
  say("ready");
}

/** Leaves by process.exit, with everything open. */
async function exits(say: (line: string) => void): Promise<void> {
  const driver = await openSubjectDriver(await Simulator.open());
  const one = await driver.createInterface({ mode: "multipeer", createAdapter: false });
  await one.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
  const other = await driver.createInterface({ mode: "p2p", createAdapter: false });
  other.openTransport({ protocol: "tcp", remote: NOWHERE }).catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 100));
  say("ready");
  process.exit(0);
}

/** Closes an adapter whose driver keeps what is cancelled, and does nothing then: it has to end by itself. */
async function kept(say: (line: string) => void): Promise<void> {
  const driver = await openSubjectDriver(await Simulator.open());
  const dco = await driver.createInterface({ mode: "p2p", createAdapter: false });
  await dco.openTransport({ protocol: "udp", remote: NOWHERE });
  const code = await dco.close().then(
    () => "nothing",
    (error: { code: string }) => error.code,
  );
  say(`ready: ${code}`);
  if (code !== "timeout") throw new Error(`closing gave ${code}`);
}
