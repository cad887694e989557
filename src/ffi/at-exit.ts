/**
 * What has to be closed before the process ends. At its end the event loop turns once more, without JavaScript: an
 * addon that has something to tell then aborts the process.
 */

interface Closeable {
  close(): void;
}

const open = new Set<Closeable>();
let listens = false;

/** Closes it when the process ends, or this thread, unless it is forgotten before. */
export function closeAtExit(what: Closeable): void {
  open.add(what);
  if (listens) return;
  listens = true;
  process.once("exit", () => {
    for (const each of open) each.close();
  });
}

/** It has been closed. */
export function forgetAtExit(what: Closeable): void {
  open.delete(what);
}
