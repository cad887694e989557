/**
 * A cable between a client and the server that can be pulled: it passes UDP datagrams on, both ways, while it is in.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Endpoint } from "../../src/index.ts";

export class Cable {
  /** Where the client finds the server. */
  readonly near: Endpoint;
  readonly #sockets: readonly Socket[];
  #pulled = false;

  private constructor(client: Socket, server: Socket, to: Endpoint) {
    const { address, port } = client.address();
    this.near = { address, port };
    this.#sockets = [client, server];
    let back: Endpoint | undefined;
    client.on("message", (packet, from) => {
      back = from;
      if (!this.#pulled) server.send(packet, to.port, to.address);
    });
    server.on("message", (packet) => {
      if (!this.#pulled && back) client.send(packet, back.port, back.address);
    });
  }

  /** @param server the server's transport */
  static async lay(server: Endpoint): Promise<Cable> {
    const family = server.address.includes(":") ? "udp6" : "udp4";
    const sockets = [createSocket(family), createSocket(family)] as const;
    for (const socket of sockets) {
      socket.bind(0, server.address);
      await once(socket, "listening");
    }
    return new Cable(...sockets, server);
  }

  /** From now on nothing passes. */
  pull(): void {
    this.#pulled = true;
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}
