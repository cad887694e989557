/**
 * What the checks of one protocol share: OpenVPN at work, traffic in its tunnels, and an observer.
 */
import assert from "node:assert/strict";
import type { DcoInterface } from "../../src/core/contract.ts";
import type { KeyInfo, KeySlot, PeerInfo } from "../../src/core/model.ts";
import { type LinuxDriver, openLinuxDriver } from "../../src/linux/index.ts";
import { Recorder } from "../conformance/recorder.ts";
import { DEVICE, type OpenVpn } from "./openvpn.ts";
import type { Stage } from "./stage.ts";
import type { Traffic } from "./traffic.ts";

/** Seconds between two keys of the first client. */
const RENEGOTIATE = 20;

/** A client at work. */
export interface Member {
  readonly client: OpenVpn;
  readonly traffic: Traffic;
}

/** See the module's comment. */
export interface Scene {
  readonly stage: Stage;
  readonly driver: LinuxDriver;
  readonly dco: DcoInterface;
  readonly events: Recorder;
  /** Stays to the end, and gets new keys. */
  readonly steady: Member;
  /** The one that the second client is by now. */
  guest: Member;
}

/** Starts two clients with traffic, then the observer. */
export async function openScene(stage: Stage): Promise<Scene> {
  const steady = await join(stage, "client1", RENEGOTIATE);
  const guest = await join(stage, "client2");
  const driver = await openLinuxDriver();
  const dco = await adopt(driver, stage);
  return { stage, driver, dco, events: new Recorder(dco), steady, guest };
}

/** Watches the server's interface. */
export function adopt(driver: LinuxDriver, { extras }: Stage): Promise<DcoInterface> {
  return driver.adoptInterface(DEVICE, { role: "observer", ...extras });
}

/** A client whose tunnel carries traffic. */
export async function join(stage: Stage, name: string, renegotiate?: number): Promise<Member> {
  const client = await stage.client(name, renegotiate);
  return { client, traffic: await stage.traffic(client) };
}

/** The peer that a client is, by what OpenVPN says. */
export async function peerOf({ stage, dco }: Scene, { client }: Member): Promise<PeerInfo> {
  const { peerId } = await stage.status(client.name);
  return dco.peer(peerId);
}

/** Key ids by slot. */
export function keyIds(keys: readonly KeyInfo[]): Partial<Record<KeySlot, number | undefined>> {
  return Object.fromEntries(keys.map(({ slot, id }) => [slot, id]));
}

/** The log's lines that match. */
export function linesOf(process: OpenVpn, what: RegExp): string[] {
  return process.log().filter((line) => what.test(line));
}

/** A line of the log that is there for certain. */
export function lastMatch(process: OpenVpn, what: RegExp): RegExpExecArray {
  const matches = process.log().map((line) => what.exec(line));
  return matches.findLast((match) => match !== null) ?? assert.fail(`${process.name} never said ${what}`);
}
