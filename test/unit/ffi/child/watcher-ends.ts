/** Ends with watchers: not referenced, closed, open at exit, with something to read then, and open in a worker that is terminated. */
import { once } from "node:events";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { loadFfi } from "../../../../src/ffi/index.ts";
import { createPosix } from "../../../../src/ffi/posix.ts";
import { packSockaddr } from "../../../../src/ffi/sockaddr.ts";
import { AF_INET, SOCK_DGRAM } from "../../../../src/sockets/socket-address.ts";

const how = (workerData as string | null) ?? process.argv[2];
const watchers = how === "worker" || how === "ready" ? [] : watch();

function watch() {
  const ffi = loadFfi("koffi");
  return Array.from({ length: 20 }, () => ffi.watchReadable(3, () => {}, { ref: how !== "unref" }));
}

switch (how) {
  case "in worker":
    parentPort?.postMessage("watching");
    break;
  case "worker":
    // The main thread has not loaded koffi: its binary goes when the worker does.
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(new URL(import.meta.url), { workerData: "in worker" });
      await once(worker, "message");
      await worker.terminate();
    }
    break;
  case "closed":
    setTimeout(() => {
      for (const watcher of watchers) watcher.close();
    }, 1);
    break;
  case "ready": {
    const ffi = loadFfi("koffi");
    const posix = createPosix(ffi);
    const socket = posix.socket(AF_INET, SOCK_DGRAM, 0);
    posix.bind(socket, packSockaddr({ address: "127.0.0.1", port: 0 }));
    const own = Buffer.alloc(16);
    posix.getsockname(socket, own);
    ffi.watchReadable(socket, () => {}, { ref: false });
    process.once("exit", () => posix.sendto(socket, Buffer.of(1), 0, own));
    break;
  }
  case "exit":
    setTimeout(() => process.exit(0), 1);
    break;
}
if (how !== "in worker") console.log("done");
