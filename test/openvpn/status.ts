/**
 * What OpenVPN itself says of its clients, asked by its management socket: status, version 3.
 */
import { connect } from "node:net";
import { inTime } from "../conformance/expect.ts";

/** A client in the server's words. */
export interface StatusClient {
  readonly name: string;
  readonly peerId: number;
  /** `192.0.2.2:1194`, without the protocol that OpenVPN writes before it. */
  readonly realAddress: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Link bytes of the data channel, as the kernel tells OpenVPN, and bytes of the control channel. */
  readonly received: bigint;
  readonly sent: bigint;
}

/** Reads a status: lines of fields with tabs between them, each kind under a HEADER of its own. */
export function parseStatus(text: string): StatusClient[] {
  const lines = text.split(/\r?\n/).map((line) => line.split("\t"));
  const header = lines.find(([kind, of]) => kind === "HEADER" && of === "CLIENT_LIST")?.slice(1);
  if (!header) throw new Error(`not a status: ${text}`);
  return lines
    .filter(([kind]) => kind === "CLIENT_LIST")
    .map((fields) => {
      const field = (name: string) => {
        const value = fields[header.indexOf(name)];
        if (value === undefined) throw new Error(`the status has no field ${name}: ${header.join(", ")}`);
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
}

/** Asks at a management socket, which takes one caller at a time. */
export async function readStatus(path: string): Promise<StatusClient[]> {
  const socket = connect(path).setEncoding("utf8");
  const answer = new Promise<string>((resolve, reject) => {
    let text = "";
    socket.on("data", (data) => {
      text += data;
      if (/^END\r?$/m.test(text)) resolve(text);
    });
    socket.once("error", reject).once("close", () => reject(new Error(`OpenVPN ended its answer: ${text}`)));
  });
  socket.write("status 3\n");
  try {
    return parseStatus(await inTime(answer, "OpenVPN's management socket"));
  } finally {
    socket.destroy();
  }
}
