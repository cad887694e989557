/**
 * What all steps of the demo share.
 */
import type { PeerStats } from "../../src/index.ts";
import type { LinuxDriver } from "../../src/linux/index.ts";
import type { Client } from "./client.ts";
import type { EventLog } from "./events.ts";
import type { Lab } from "./lab.ts";
import type { DemoOptions } from "./options.ts";
import type { Report } from "./report.ts";
import type { Server } from "./server.ts";

/** The frame that the steps run in. */
export interface Stage {
  readonly options: DemoOptions;
  readonly report: Report;
  readonly events: EventLog;
  /** Fires when the demo is to end early. */
  readonly signal: AbortSignal;
  /** Ends the demo early. */
  readonly fail: (error: unknown) => void;
  /** Registers what is to be taken down at the end; the last comes first. */
  readonly undo: (what: string, body: () => Promise<void>) => void;
}

/** What the first steps make, and the others try out. */
export interface Vpn {
  readonly driver: LinuxDriver;
  readonly lab: Lab;
  readonly server: Server;
  readonly clients: readonly [Client, Client];
}

/** A step fails with this message unless the condition holds. */
export function verify(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

/** The counters of a client and its server, at both ends. */
export async function bothStats(
  { server }: Vpn,
  client: Client,
): Promise<{ readonly server: PeerStats; readonly client: PeerStats }> {
  const { peerId } = client.session;
  const find = (all: readonly PeerStats[]) => {
    const found = all.find(({ id }) => id === peerId);
    verify(found !== undefined, `peer ${peerId} has no counters`);
    return found;
  };
  return { server: find(await server.dco.stats()), client: find(await client.dco.stats()) };
}
