/**
 * TCP connections that the SDK did not make, of Node's own.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { Endpoint } from "../../../src/core/model.ts";
import { inTime } from "../expect.ts";
import type { ForeignListener, ForeignStream } from "../world.ts";

/** Connects from a local address. */
export async function connectStream(from: string, remote: Endpoint): Promise<ForeignStream> {
  const { address: host, port } = remote;
  const local = host.includes(":") ? {} : { localAddress: from };
  const socket = connect({ host, port, ...local, allowHalfOpen: true, noDelay: true });
  await once(socket, "connect");
  return new Stream(socket);
}

/** Listens on a local address. */
export async function acceptStreams(address: string): Promise<ForeignListener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
  const waiting: Socket[] = [];
  server.on("connection", (socket) => {
    waiting.push(socket);
    server.emit("taken");
  });
  server.listen({ host: address, port: 0, exclusive: true });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return {
    local: { address, port },
    async accept() {
      while (waiting.length === 0) await inTime(once(server, "taken"), "a connection");
      return new Stream(waiting.shift() as Socket);
    },
    async close() {
      for (const socket of waiting) socket.destroy();
      server.close();
    },
  };
}

/** See {@link ForeignStream}. What nobody asks for is not read. */
class Stream implements ForeignStream {
  readonly fd = -1;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #held = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    this.local = { address: socket.localAddress ?? "", port: socket.localPort ?? 0 };
    this.remote = { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
    // A reset is seen by who reads or writes.
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#held += chunk.length;
      socket.pause();
      this.#wake();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
    socket.pause();
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  async read(size: number): Promise<Buffer> {
    await this.#until(() => this.#held >= size, `${size} bytes`);
    if (this.#held < size) throw new Error(`the connection ended before ${size} bytes`);
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all.subarray(size)];
    this.#held = all.length - size;
    return all.subarray(0, size);
  }

  async readToEnd(): Promise<Buffer> {
    await this.#until(() => false, "the end of the connection");
    const all = Buffer.concat(this.#chunks.splice(0));
    this.#held = 0;
    return all;
  }

  end(): void {
    this.#socket.end();
  }

  async reset(): Promise<void> {
    this.#socket.resetAndDestroy();
  }

  /** The kernel's own size does as well. */
  setReceiveBuffer(): void {}

  async close(): Promise<void> {
    this.#socket.destroy();
  }

  release(): number {
    throw new Error("sites without a system have no descriptors to give");
  }

  isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** Reads until that is enough, or there is no more. */
  async #until(enough: () => boolean, what: string): Promise<void> {
    while (!enough() && !this.#ended) {
      const change = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#socket.resume();
      await inTime(change, what);
    }
    this.#socket.pause();
  }
}
