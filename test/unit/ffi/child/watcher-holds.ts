/** The only thing that holds this process is a watcher. */
import { loadFfi } from "../../../../src/ffi/index.ts";

const watcher = loadFfi("koffi").watchReadable(3, () => {
  console.log("woken");
  watcher.close();
});
console.log("watching");
