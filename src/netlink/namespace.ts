/**
 * Network namespaces: finding them, and doing something inside one.
 *
 * A thread is in one network namespace at a time, so a socket is made between two setns calls, with nothing
 * asynchronous between them; after that it stays in the namespace that it was made in.
 */
import { fstatSync } from "node:fs";
import { DcoError, type DcoErrorCode } from "../core/errors.ts";
import type { Posix } from "../ffi/posix.ts";

const CLONE_NEWNET = 0x40000000;
const O_RDONLY_CLOEXEC = 0x80000;
/** Else opening a path that turns out to be a pipe would wait for its other end. */
const O_NONBLOCK = 0x800;
/** The ioctl that gives a descriptor of a socket's network namespace. */
const SIOCGSKNS = 0x894c;

/** That of the calling thread. */
const OWN_NAMESPACE = "/proc/thread-self/ns/net";

/** Where `ip netns` keeps its names. */
const NAMED = "/run/netns";

/**
 * A network namespace: a name of `ip netns`, a path such as `/proc/123/ns/net`, or an open descriptor
 * (which the caller keeps). Left out: that of the process.
 */
export type NamespaceInput = string | number;

/** What is wrong with a value as a {@link NamespaceInput}, or undefined. */
export function namespaceProblem(value: unknown): string | undefined {
  if (typeof value === "number") {
    return Number.isInteger(value) && value >= 0 ? undefined : "a descriptor is an integer from 0";
  }
  if (typeof value !== "string") return "must be a name, a path, or a descriptor";
  if (value === "" || value.includes("\0")) return "must not be empty or hold a NUL";
  if (!value.startsWith("/") && (value.includes("/") || value === "." || value === "..")) {
    return "a name has no slash; a path starts with one";
  }
  return undefined;
}

/** An open network namespace. */
export interface OpenNamespace {
  /** A descriptor of our own, or undefined for the process's namespace. */
  readonly fd: number | undefined;
  /** Tells namespaces apart: device and inode of the namespace file. */
  readonly id: string;
}

/** Opens a namespace; the caller closes `fd`. Errors: `not-found`, `invalid`, `permission`. */
export function openNamespace(posix: Posix, input: NamespaceInput | undefined): OpenNamespace {
  const own = posix.open(OWN_NAMESPACE, O_RDONLY_CLOEXEC);
  const home = idOf(own);
  if (input === undefined) {
    posix.close(own);
    return { fd: undefined, id: home };
  }
  try {
    const fd = openInput(posix, input);
    const id = idOf(fd);
    if (id === home) {
      posix.close(fd);
      return { fd: undefined, id };
    }
    try {
      checkEntering(posix, fd, id, own, input);
    } catch (error) {
      posix.close(fd);
      throw error;
    }
    return { fd, id };
  } finally {
    posix.close(own);
  }
}

/**
 * Opens the namespace that a socket lives in; the caller closes it. Undefined for what is no socket.
 *
 * Errors: `permission` without CAP_NET_ADMIN there.
 */
export function openSocketNamespace(posix: Posix, fd: number): number | undefined {
  try {
    return posix.ioctl(fd, SIOCGSKNS, 0);
  } catch (error) {
    if (!DcoError.is(error) || error.code !== "permission") return undefined;
    throw new DcoError(
      "permission",
      `adopt.fd: the network namespace of descriptor ${fd} cannot be found without CAP_NET_ADMIN in it`,
      { field: "adopt.fd", native: error.native, effect: "none", cause: error },
    );
  }
}

/** Runs `body`, which must not be asynchronous, in a namespace. */
export function inNamespace<T>(posix: Posix, namespace: OpenNamespace, body: () => T): T {
  if (namespace.fd === undefined) return body();
  const own = posix.open(OWN_NAMESPACE, O_RDONLY_CLOEXEC);
  try {
    posix.setns(namespace.fd, CLONE_NEWNET);
    try {
      return body();
    } finally {
      posix.setns(own, CLONE_NEWNET);
    }
  } finally {
    posix.close(own);
  }
}

function openInput(posix: Posix, input: NamespaceInput): number {
  if (typeof input === "number") {
    try {
      return posix.fcntlDup(input);
    } catch (cause) {
      // EBADF; else this process has no room for another.
      if (!DcoError.is(cause) || cause.code !== "socket") throw cause;
      throw refusal("invalid", `descriptor ${input} is not open`, cause);
    }
  }
  const path = input.startsWith("/") ? input : `${NAMED}/${input}`;
  try {
    return posix.open(path, O_RDONLY_CLOEXEC | O_NONBLOCK);
  } catch (error) {
    const { code } = error as DcoError;
    if (code === "not-found") throw refusal(code, `there is no network namespace ${input}`, error);
    throw refusal(code, `${input} cannot be opened`, error);
  }
}

/** Goes in and out again. Errors: `invalid` for what is no network namespace, `permission`. */
function checkEntering(posix: Posix, fd: number, id: string, own: number, input: NamespaceInput): void {
  enter(posix, fd, input);
  let entered: string | undefined;
  try {
    entered = idAt(posix, OWN_NAMESPACE);
  } finally {
    posix.setns(own, CLONE_NEWNET);
  }
  // A descriptor of a process leads into its namespace, but does not tell which that is.
  if (entered !== id) throw refusal("invalid", `${input} is not a network namespace`, undefined);
}

function idAt(posix: Posix, path: string): string {
  const fd = posix.open(path, O_RDONLY_CLOEXEC);
  try {
    return idOf(fd);
  } finally {
    posix.close(fd);
  }
}

function enter(posix: Posix, fd: number, input: NamespaceInput): void {
  try {
    posix.setns(fd, CLONE_NEWNET);
  } catch (error) {
    const { code } = error as DcoError;
    // EINVAL for a namespace of another kind, EBADF for what is none at all.
    if (code === "invalid" || code === "socket")
      throw refusal("invalid", `${input} is not a network namespace`, error);
    if (code === "permission") {
      throw refusal(
        code,
        `entering ${input} needs CAP_SYS_ADMIN there and in this process's user namespace`,
        error,
      );
    }
    throw error;
  }
}

function refusal(code: DcoErrorCode, problem: string, cause: unknown): DcoError {
  const native = DcoError.is(cause) ? cause.native : undefined;
  return new DcoError(code, `namespace: ${problem}${native ? ` [${native.name}]` : ""}`, {
    field: "namespace",
    native,
    effect: "none",
    cause,
  });
}

function idOf(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}
