/**
 * One end of the bulk transfer, started by the demo in a network namespace:
 *
 *     bulk-end.js listen|connect ADDRESS PORT BYTES
 *
 * The connecting end sends so many random bytes, then the listening end does. Each prints what it has sent and
 * received, as one line of JSON. It ends when its standard input does, so never much later than the demo.
 *
 * JavaScript, because four of these start at once, and stripping types takes a second in an emulated machine.
 */
import { createHash, randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const CHUNK = 65536;

async function send(socket, bytes) {
  const hash = createHash("sha256");
  for (let left = bytes; left > 0; left -= CHUNK) {
    const chunk = randomBytes(Math.min(left, CHUNK));
    hash.update(chunk);
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once("drain", resolve));
  }
  socket.end();
  return { sent: hash.digest("hex") };
}

function receive(socket) {
  const hash = createHash("sha256");
  let receivedBytes = 0;
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("end", () => resolve({ received: hash.digest("hex"), receivedBytes }));
    socket.on("data", (chunk) => {
      hash.update(chunk);
      receivedBytes += chunk.length;
    });
  });
}

function accept(host, port) {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      server.close();
      resolve(socket);
    });
    server.once("error", reject).listen(port, host);
  });
}

/** Both ends are started at the same time, so the other may not listen yet. */
async function reach(host, port) {
  for (;;) {
    const socket = connect({ host, port, allowHalfOpen: true });
    const error = await new Promise((resolve) => {
      socket.once("connect", () => resolve(undefined)).once("error", resolve);
    });
    if (error === undefined) return socket;
    if (error.code !== "ECONNREFUSED") throw error;
    await delay(50);
  }
}

const [role, host, port, bytes] = process.argv.slice(2);
process.stdin.resume().once("end", () => process.exit(1));
const listens = role === "listen";
const socket = await (listens ? accept(host, Number(port)) : reach(host, Number(port)));
const started = performance.now();
const first = listens ? await receive(socket) : await send(socket, Number(bytes));
const second = listens ? await send(socket, Number(bytes)) : await receive(socket);
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ ...first, ...second, seconds }));
process.stdin.destroy();
