/**
 * OpenVPN packets as bytes, and readers of `packets()`.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Transport } from "../../src/core/contract.ts";
import type { ControlPacket } from "../../src/core/model.ts";
import { inTime } from "./expect.ts";

/** Opcodes of control packets (the upper five bits of the first byte), without the long retired ones. */
export const CONTROL_OPCODES = [3, 4, 5, 7, 8, 10, 11];

/** A control packet with random content. */
export function controlPacket(size = 42, opcode = 4): Uint8Array {
  const packet = randomBytes(size);
  packet[0] = opcode << 3;
  return packet;
}

/** A DATA_V2 packet of a peer that nobody can decrypt. */
export function dataPacket(peer: number): Uint8Array {
  const packet = randomBytes(80);
  packet.writeUInt32BE(((9 << 27) | peer) >>> 0, 0);
  return packet;
}

/** Reads that many control packets, then leaves the iteration. */
export async function readPackets(transport: Transport, count: number): Promise<ControlPacket[]> {
  const packets: ControlPacket[] = [];
  const read = async () => {
    for await (const packet of transport.packets()) if (packets.push(packet) === count) return;
    throw new Error(`packets() ended after ${packets.length} of ${count}`);
  };
  await inTime(read(), `reading ${count} control packets`).catch((error: Error) => {
    error.message += ` (${packets.length} came)`;
    throw error;
  });
  return packets;
}

/** The next control packet must be this one. */
export async function expectPacket(transport: Transport, packet: Uint8Array): Promise<ControlPacket> {
  const [read] = await readPackets(transport, 1);
  assert.ok(read);
  assert.deepEqual(Buffer.from(read.data), Buffer.from(packet));
  return read;
}

/** What `packets()` gives until it ends. */
export async function readRest(transport: Transport): Promise<ControlPacket[]> {
  const packets: ControlPacket[] = [];
  for await (const packet of transport.packets()) packets.push(packet);
  return packets;
}
