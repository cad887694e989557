/**
 * Something asynchronous in a network namespace: Node makes some of its sockets a turn of the event loop later.
 */
import type { Posix } from "../../../src/ffi/posix.ts";

const CLONE_NEWNET = 0x40000000;
const O_RDONLY_CLOEXEC = 0x80000;

/** The thread is in one namespace at a time. */
let last: Promise<unknown> = Promise.resolve();

/** Runs `body` while this thread is in a named namespace; nothing else should make sockets meanwhile. */
export function withinNamespace<T>(posix: Posix, name: string, body: () => Promise<T>): Promise<T> {
  const enter = async () => {
    const home = posix.open("/proc/thread-self/ns/net", O_RDONLY_CLOEXEC);
    const there = posix.open(`/run/netns/${name}`, O_RDONLY_CLOEXEC);
    try {
      posix.setns(there, CLONE_NEWNET);
      return await body();
    } finally {
      posix.setns(home, CLONE_NEWNET);
      posix.close(there);
      posix.close(home);
    }
  };
  const mine = last.then(enter);
  last = mine.catch(() => {});
  return mine;
}
