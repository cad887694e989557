/**
 * What all steps of the demo share.
 */
import type { Capabilities, DcoInterface, PeerStats, Transport } from "../../src/index.ts";
import type { LinuxDriver } from "../../src/linux/index.ts";
import type { Client } from "./client.ts";
import type { EventLog } from "./events.ts";
import type { Host, Lab } from "./lab.ts";
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

/** Where an end of the VPN is, by name and by its addresses inside the tunnel. */
export interface Site {
  readonly name: string;
  readonly vpn: { readonly ipv4: string; readonly ipv6: string };
}

/** What an end of the VPN is made of, whichever backend made it. */
export interface End<Host extends Site = Site, Dco extends DcoInterface = DcoInterface> {
  readonly host: Host;
  readonly capabilities: Capabilities;
  readonly dco: Dco;
  readonly transport: Transport;
}

/** The ends of the VPN. */
export interface Ends<Host extends Site = Site, Dco extends DcoInterface = DcoInterface> {
  readonly server: Server<Host, Dco>;
  readonly clients: readonly [Client<Host, Dco>, Client<Host, Dco>];
}

/** What the first steps make, and the others try out. */
export interface Vpn extends Ends<Host> {
  readonly driver: LinuxDriver;
  readonly lab: Lab;
}

/** A step fails with this message unless the condition holds. */
export function verify(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

/** The counters of a client and its server, at both ends. */
export async function bothStats(
  { server }: Ends,
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
