/**
 * What the cases about the driver of Windows begin with: an adapter that is open and can be looked into, processes to be
 * killed, a host that does not answer.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AddPeerOptions, Endpoint } from "../../../src/core/model.ts";
import { loadFfi } from "../../../src/ffi/index.ts";
import type { WindowsDco } from "../../../src/windows/index.ts";
import { Win32Devices } from "../../../src/windows/win32/devices.ts";
import { eventually } from "../expect.ts";
import { Recorder } from "../recorder.ts";
import { NotHere, type World } from "../world.ts";
import { NOWHERE } from "./nowhere.ts";
import { notifyEvent, type Simulator } from "./simulator.ts";
import { WindowsWorld } from "./world.ts";

/** An adapter that is open, and the simulator behind it. */
export interface Opened {
  readonly world: WindowsWorld;
  readonly simulator: Simulator;
  readonly dco: WindowsDco;
  /** The adapter's number. */
  readonly at: number;
  readonly events: Recorder;
}

export function parts(world: World): { readonly world: WindowsWorld; readonly simulator: Simulator } {
  if (!(world instanceof WindowsWorld)) throw new NotHere("this is about the driver of Windows");
  const { simulator } = world;
  if (simulator === undefined) throw new NotHere("the driver is the real one, which cannot be looked into");
  return { world, simulator };
}

export async function open(given: World, mode: "p2p" | "multipeer"): Promise<Opened> {
  const { world, simulator } = parts(given);
  const dco = await world.createInterface(world.server, { mode });
  const at = await simulator.numberOf(dco.extras.instance);
  return { world, simulator, dco, at, events: new Recorder(dco) };
}

export const emit = (
  { simulator, at }: Opened,
  command: number,
  peer: number,
  reason: number,
  address?: Endpoint,
): Promise<void> => simulator.at(at).emit(notifyEvent(command, peer, reason, address));
export const openUdp = ({ dco }: Opened) => dco.openTransport({ protocol: "udp", remote: NOWHERE });
export const listenUdp = ({ dco }: Opened, local = "127.0.0.1:0") =>
  dco.openTransport({ protocol: "udp", local });

/** A peer of its own address: the driver takes no two with one. */
export function peerOf(id: number, transport: AddPeerOptions["transport"]): AddPeerOptions {
  const remote = { address: "192.0.2.99", port: 1000 + id };
  return { id, transport, remote, vpn: { ipv4: `10.${id >> 8}.${id & 255}.9` } };
}

/** Waits until the driver has nothing of an adapter any more, and is as it was before the first open. */
export function untilFree(simulator: Simulator, at: number): Promise<unknown> {
  const held = async () => {
    const counters = Object.entries(await simulator.at(at).state());
    const isHeld = ([name, value]: (typeof counters)[number]) =>
      typeof value === "number" && value !== 0 && !["adapters", "enabled"].includes(name);
    return Object.fromEntries(counters.filter(isHeld));
  };
  return eventually("what the driver holds", held, (all) => Object.keys(all).length === 0);
}

/** The same for all adapters. */
export async function untilAllFree(simulator: Simulator): Promise<void> {
  for (let at = 0; at < simulator.count; at++) await untilFree(simulator, at);
}

/** The path of an adapter that is free. */
export async function freePath(
  world: WindowsWorld,
): Promise<{ path: string; at: number; devices: Win32Devices }> {
  const { simulator } = parts(world);
  const states = await simulator.states();
  const at = states.findIndex(({ openHandles }) => openHandles === 0);
  const instance = states[at]?.instance.replaceAll("\\", "#");
  const path = `\\\\?\\${instance}#{cac88484-7515-4c03-82e6-71a87abac361}`;
  return { path, at, devices: new Win32Devices(loadFfi()) };
}

/** An address that does not answer a connection at all, not even by a refusal. */
export async function silentHost(): Promise<Endpoint> {
  const remote = { address: "192.0.2.99", port: 9 };
  const socket = connect({ host: remote.address, port: remote.port });
  const answer = new Promise<string>((resolve) => {
    socket.once("error", ({ message }) => resolve(message));
    socket.once("connect", () => resolve("it is there"));
    setTimeout(resolve, 500, "");
  });
  const said = await answer;
  socket.destroy();
  if (said !== "") throw new NotHere(`nothing here keeps a connection waiting: ${said}`);
  return remote;
}

/** A process of this program with another part. */
export interface Child {
  /** Its status. */
  readonly ended: Promise<number | null>;
  /** What it has said until it ended. */
  words(): string;
  /** It has said so, or has ended. */
  ready(): Promise<void>;
  kill(): Promise<void>;
}

/** @param more further options of the child's */
export function startChild(name: string, ...more: readonly string[]): Child {
  const folder = mkdtempSync(join(tmpdir(), "dcokit-"));
  const file = join(folder, "said");
  const program = process.argv[1] as string;
  const child = spawn(
    process.execPath,
    [...process.execArgv, program, "--child", name, "--said", file, ...more],
    {
      stdio: "ignore",
    },
  );
  let words = "";
  const ended = once(child, "exit").then(([status]) => {
    if (existsSync(file)) words = readFileSync(file, "utf8");
    rmSync(folder, { recursive: true, force: true });
    return status as number | null;
  });
  const said = () => existsSync(file) && readFileSync(file, "utf8").includes("ready");
  return {
    ended,
    words: () => words,
    ready: async () => {
      let status: number | null | undefined;
      const early = ended.then((code) => {
        status = code;
      });
      void early;
      await eventually("the child's word", () => said() || status !== undefined, Boolean, 60_000);
    },
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
