/**
 * What a UDP transport needs of a socket, however it is had.
 */
import type { IpAddress, IpEndpoint, OpenTransportRequest } from "../core/backend.ts";
import type { Endpoint } from "../core/model.ts";
import type { Destination } from "./data/data-socket.ts";

/** What is asked of a socket. */
export interface DatagramSocketRequest
  extends Pick<OpenTransportRequest, "local" | "dualStack" | "receiveBuffer" | "adopt"> {
  readonly family: 4 | 6;
}

/** What it hands on. */
export interface DatagramHandlers {
  /**
   * @param packet stands until this returns
   * @param address the sender's, in the socket's words
   */
  onPacket(packet: Buffer, address: string, port: number): void;
  onEnd(error: Error): void;
}

/** A bound UDP socket. */
export interface DatagramSocket {
  readonly local: Endpoint;
  readonly family: 4 | 6;
  readonly dualStack: boolean;
  /** Begins to read. Once. */
  start(handlers: DatagramHandlers): void;
  /** Resolves when the system has taken it. Errors: what the system says. */
  send(packet: Uint8Array, to: Destination): Promise<void>;
  /** False if it could not take it; what becomes of it then nobody waits for. The packet stays as it is. */
  sendData(packet: Buffer, to: Destination): boolean;
  /** An address in its words; what is sent there comes from `local`, where the socket can do that. */
  destination(endpoint: IpEndpoint, local?: IpAddress): Destination;
  /** A sender as an address that can be sent to, from `local` in the same way. */
  sender(address: string, port: number, local?: IpAddress): Destination;
  close(): Promise<void>;
}
