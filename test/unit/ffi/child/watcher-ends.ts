/** Ends with watchers: not referenced, closed, open at exit, and open in a worker that is terminated. */
import { once } from "node:events";
import { parentPort, Worker, workerData } from "node:worker_threads";
import { loadFfi } from "../../../../src/ffi/index.ts";

const how = (workerData as string | null) ?? process.argv[2];
const watchers = how === "worker" ? [] : watch();

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
  case "exit":
    setTimeout(() => process.exit(0), 1);
    break;
}
if (how !== "in worker") console.log("done");
