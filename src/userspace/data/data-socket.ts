/**
 * What the data plane needs of a socket.
 */
import type { IpAddress, IpEndpoint } from "../../core/backend.ts";
import type { Endpoint } from "../../core/model.ts";
import type { Peer } from "./peer.ts";

/** An address in the words of one socket: compared with senders and handed back to it for every packet. */
export interface Destination {
  readonly endpoint: Endpoint;
  /** As the socket tells and takes it: IPv4 is mapped where the socket is IPv6, link-local has its zone. */
  readonly address: string;
  readonly port: number;
}

/** A socket that carries data packets. */
export interface DataSocket {
  readonly local: Endpoint;
  /** Bytes that it wants in front of each packet, to write there what it likes. */
  readonly room: number;
  /** Peers that use it; over TCP one at most. While there are some, data packets are not handed up. */
  readonly peers: Set<Peer>;
  /** It has one other end. */
  readonly connected: boolean;
  /** Sends `room` bytes and a packet; false if it could not take it. */
  sendData(packet: Buffer, to: Destination | undefined): boolean;
  /** Over UDP: an address in its words; `local` is where data packets to it come from, if that was said. */
  destination(endpoint: IpEndpoint, local?: IpAddress): Destination;
  /** Over UDP: a sender as an address that can be sent to. */
  sender(address: string, port: number, local?: IpAddress): Destination;
}
