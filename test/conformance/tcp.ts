/**
 * OpenVPN over TCP as bytes, and connections whose other end is not the SDK's.
 */
import type { Transport } from "../../src/core/contract.ts";
import type { Case } from "./case.ts";
import { inTime } from "./expect.ts";
import { controlPacket } from "./packets.ts";
import { type End, openHost, outside, vpnOf } from "./tunnel.ts";
import type { ForeignStream, World } from "./world.ts";

/** `needs` of cases about TCP. */
export const overTcp: Pick<Case, "needs"> = {
  needs: ({ transports, listeners }) =>
    transports.includes("tcp") && listeners.includes("tcp") ? undefined : "the driver does not do TCP",
};

/** `needs` of cases in which connections of the caller's are taken over. */
export const adoptsConnections: Pick<Case, "needs"> = {
  needs: (capabilities, sites) =>
    overTcp.needs?.(capabilities, sites) ??
    (capabilities.adoptSocket ? undefined : "the driver takes no socket of the caller's"),
};

/** `needs` of cases in which the other end's receive buffer is small. */
export const smallBuffers: Pick<Case, "needs"> = {
  needs: (capabilities, sites) =>
    overTcp.needs?.(capabilities, sites) ??
    (sites.system ? undefined : "the sites' buffers are as large as the system likes"),
};

/** `needs` of cases in which a TCP transport ends with its peer. */
export const peersEndTransports: Pick<Case, "needs"> = {
  needs: (capabilities, sites) =>
    overTcp.needs?.(capabilities, sites) ??
    (capabilities.peerEndsTransport.includes("tcp") ? undefined : "a transport outlives its peer here"),
};

/** Those, and the kernel is given the connection with the first peer. */
export const handedOver: Pick<Case, "needs"> = {
  needs: (capabilities, sites) =>
    smallBuffers.needs?.(capabilities, sites) ??
    (capabilities.peerEndsTransport.includes("tcp") ? undefined : "no connection is given to a kernel here"),
};

/** Those, and it is a connection of the caller's. */
export const adoptedForKernel: Pick<Case, "needs"> = {
  needs: (capabilities, sites) =>
    adoptsConnections.needs?.(capabilities, sites) ??
    (capabilities.peerEndsTransport.includes("tcp") ? undefined : "no connection is given to a kernel here"),
};

/** A packet as it stands in the stream: its length in two bytes, and itself. */
export function frame(packet: Uint8Array): Buffer {
  const prefix = Buffer.alloc(2);
  prefix.writeUInt16BE(packet.length);
  return Buffer.concat([prefix, packet]);
}

/** A control packet with a number in it. */
export function numbered(number: number, size = 40): Uint8Array {
  const packet = controlPacket(size);
  Buffer.from(packet.buffer, packet.byteOffset).writeUInt32BE(number, 4);
  return packet;
}

/** The number of such a packet. */
export function numberOf({ data }: { readonly data: Uint8Array }): number {
  return Buffer.from(data.buffer, data.byteOffset).readUInt32BE(4);
}

/** The next frame's packet. */
export async function readFrame(stream: ForeignStream): Promise<Buffer> {
  return stream.read((await stream.read(2)).readUInt16BE());
}

/** A server of ours with one connection that a stranger made. */
export interface Strange {
  readonly server: End;
  readonly stream: ForeignStream;
}

/** Opens a multipeer server and accepts strangers, as many as are asked for. */
export async function acceptStrangers(
  world: World,
  count: number,
  options: { readonly queueLimit?: number; readonly family?: 4 | 6 } = {},
): Promise<Strange[]> {
  const { family = 4, ...more } = options;
  const host = await openHost(world, world.server, { mode: "multipeer", host: 1 });
  const local = { address: outside(world.server, family), port: 0 };
  const listener = await host.dco.listen({ protocol: "tcp", local, ...more });
  const strangers: Strange[] = [];
  for (let n = 0; n < count; n++) {
    const stream = await world.connectStream(world.clients[0], listener.local);
    const transport = await nextOf(listener);
    strangers.push({ server: { ...host, transport }, stream });
  }
  await listener.close();
  return strangers;
}

/** As {@link acceptStrangers}, for one. */
export async function acceptStranger(
  world: World,
  options: { readonly queueLimit?: number; readonly family?: 4 | 6 } = {},
): Promise<Strange> {
  const [stranger] = await acceptStrangers(world, 1, options);
  return stranger as Strange;
}

/** The next transport of a listener. */
export async function nextOf(listener: AsyncIterable<Transport>): Promise<Transport> {
  const next = await inTime(listener[Symbol.asyncIterator]().next(), "a connection");
  if (next.done) throw new Error("the listener has ended");
  return next.value;
}

/** Adds a peer on the transport of a multipeer server; the id stands in its VPN addresses too. */
export async function attach({ dco, transport }: End, id = 1): Promise<void> {
  await dco.addPeer({ id, transport, vpn: vpnOf(100 + id) });
}

/** What `packets()` gives until it ends, and the error that it ends with, if one does. */
export async function readToEnd(transport: Transport): Promise<{ packets: Buffer[]; error: unknown }> {
  const packets: Buffer[] = [];
  const read = async () => {
    for await (const { data } of transport.packets()) packets.push(Buffer.from(data));
  };
  try {
    await inTime(read(), "the end of a transport");
    return { packets, error: undefined };
  } catch (error) {
    return { packets, error };
  }
}
