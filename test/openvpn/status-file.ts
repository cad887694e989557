/**
 * OpenVPN's status file, version 3: lines of fields with tabs between them, each kind under a HEADER of its own.
 */
import { readFileSync } from "node:fs";
import { eventually } from "../conformance/expect.ts";

/** A client as the server's status file has it. */
export interface StatusClient {
  readonly name: string;
  readonly peerId: number;
  /** `192.0.2.2:1194`, without the protocol that TCP clients have before it. */
  readonly realAddress: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Link bytes of the data channel and bytes of the control channel, in the server's view. */
  readonly received: bigint;
  readonly sent: bigint;
}

/** What the server wrote at one moment. */
export interface Status {
  /** Seconds since 1970. */
  readonly time: number;
  readonly clients: readonly StatusClient[];
}

/** Reads the text of a status file; undefined if it is not complete (OpenVPN writes it in place). */
export function parseStatus(text: string): Status | undefined {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const time = lines.find(([kind]) => kind === "TIME");
  const header = lines.find(([kind, of]) => kind === "HEADER" && of === "CLIENT_LIST")?.slice(1);
  if (!time || !header || !lines.some(([kind]) => kind === "END")) return undefined;
  const clients = lines
    .filter(([kind]) => kind === "CLIENT_LIST")
    .map((fields) => {
      const field = (name: string) => {
        const value = fields[header.indexOf(name)];
        if (value === undefined) throw new Error(`the status file has no field ${name}: ${header.join(", ")}`);
        return value;
      };
      return {
        name: field("Common Name"),
        peerId: Number(field("Peer ID")),
        realAddress: field("Real Address").replace(/^[a-z]+[46]?(-server)?:(?=[\d[])/, ""),
        ipv4: field("Virtual Address"),
        ipv6: field("Virtual IPv6 Address"),
        received: BigInt(field("Bytes Received")),
        sent: BigInt(field("Bytes Sent")),
      };
    });
  return { time: Number(time[2]), clients };
}

/** The status that the server writes at the earliest a second from now: what is true now is in it. */
export async function nextStatus(file: string): Promise<Status> {
  const now = Math.floor(Date.now() / 1000);
  const read = () => {
    try {
      return parseStatus(readFileSync(file, "utf8"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  };
  const status = await eventually("a new status file", read, (found) => found !== undefined && found.time > now);
  return status as Status;
}
