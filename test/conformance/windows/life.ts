/**
 * The whole life of a program, in a process that dies at one of its calls to the system: `run.ts --child life --after N`.
 */
import type { Transport } from "../../../src/core/contract.ts";
import { type Ffi, loadFfi, type NativeArgument, type NativeFunction } from "../../../src/ffi/index.ts";
import { openWindowsDriver } from "../../../src/windows/index.ts";
import { freshKey } from "../keys.ts";
import { NOWHERE } from "./nowhere.ts";

/** What its status is then. */
export const DIED = 99;

/** All calls by which a driver is opened, asked, and left. A thread is made for each handle that is closed. */
const CALLS: readonly string[] = [
  "CreateFileW",
  "DeviceIoControl",
  "ReadFile",
  "WriteFile",
  "CancelIoEx",
  "CreateThread",
];

const THIS_PROCESS_HANDLE = 0xffff_ffff_ffff_ffffn;
const CONTROL_PACKET = Buffer.from("38aabbccdd11223344", "hex");

/** When to die. */
export interface Death {
  /** The number of the call, from 1. */
  readonly after: number;
  /** At once when it has returned, or so many milliseconds later. */
  readonly pause: number;
}

/** Lives to its end, unless it dies before. */
export async function live(death: Death): Promise<void> {
  dieAt(loadFfi(), death);
  const driver = await openWindowsDriver({ isDriverPath: () => true });
  const client = await driver.createInterface({ mode: "p2p", createAdapter: false });
  const transport = await client.openTransport({ protocol: "udp", remote: NOWHERE });
  await client.addPeer({ id: 1, transport, keepalive: { interval: 10, timeout: 60 } });
  await client.installKey(1, freshKey());
  await client.installKey(1, freshKey(1, "secondary"));
  await client.swapKeys(1);
  await transport.send(CONTROL_PACKET);
  await client.stats();
  await client.removePeer(1);
  const slow = client.openTransport({ protocol: "tcp", remote: NOWHERE, signal: AbortSignal.timeout(30) });
  await slow.catch((): Transport | undefined => undefined);

  const server = await driver.createInterface({ mode: "multipeer", createAdapter: false });
  const listening = await server.openTransport({ protocol: "udp", local: "127.0.0.1:0" });
  await server.addPeer({ id: 1, transport: listening, remote: NOWHERE, vpn: { ipv4: "10.8.0.2" } });
  await server.installKey(1, freshKey());
  await server.installKey(1, freshKey(1, "secondary"));
  await server.swapKeys(1);
  await server.setPeer(1, { keepalive: { interval: 10, timeout: 60 } });
  await listening.send(CONTROL_PACKET, { peer: 1 });
  await server.stats();
  await server.removePeer(1);
  await server.close();
  await client.close();
  await driver.close();
}

/** Counts the calls, and ends the process as TerminateProcess does: nothing of it runs after that. */
function dieAt(ffi: Ffi, { after, pause }: Death): void {
  const terminate = ffi.library(["kernel32.dll"]).func("TerminateProcess", "i32", ["pointer", "u32"]);
  const die = () => void terminate(THIS_PROCESS_HANDLE, DIED);
  let calls = 0;
  const count = () => {
    if (++calls !== after) return;
    if (pause === 0) die();
    else setTimeout(die, pause);
  };
  const library = ffi.library.bind(ffi);
  const counting: Ffi["library"] = (names) => {
    const found = library(names);
    const func: typeof found.func = (symbol, result, parameters, options) => {
      const fn = found.func(symbol, result, parameters, options);
      if (!CALLS.includes(symbol)) return fn;
      const counted = (...args: NativeArgument[]) => {
        const value = fn(...args);
        count();
        return value;
      };
      return Object.assign(counted, { async: fn.async }) as NativeFunction as typeof fn;
    };
    return { ...found, func };
  };
  (ffi as { library: Ffi["library"] }).library = counting;
}
