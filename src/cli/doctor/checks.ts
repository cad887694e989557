/**
 * What `dco doctor` finds: one check for each thing that data channel offload needs.
 */

/** `skipped`: it cannot be said, because of another check that failed. */
export type CheckResult = "ok" | "warning" | "failed" | "skipped";

/** One check. `id` is stable; so is what each result means. */
export interface Check {
  readonly id: string;
  readonly result: CheckResult;
  /** What was found, in a sentence. */
  readonly found: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** What a driver says of itself when it is opened, or why it cannot be. */
export type Opened =
  | { readonly module: string; readonly version: string; readonly reason: string }
  | { readonly code: string; readonly message: string };

/** Makes a check. */
export function check(id: string, result: CheckResult, found: string, remedy?: string): Check {
  return { id, result, found, ...(remedy === undefined ? {} : { remedy }) };
}

/** Whether Node is one that the package is for. */
export function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const fits = major >= 26 || (major === 24 && minor >= 11) || (major === 22 && minor >= 18);
  return fits
    ? check("node", "ok", `Node.js ${version}`)
    : check(
        "node",
        "failed",
        `Node.js ${version} is not supported`,
        "Use Node.js 22.18, 24.11 or 26 and later.",
      );
}

/** @param problem why the native library cannot be loaded; undefined: it can */
export function koffiCheck(problem: string | undefined): Check {
  return problem === undefined
    ? check("koffi", "ok", "native calls work")
    : check(
        "koffi",
        "failed",
        `native calls do not work: ${problem}`,
        "Install the package koffi for this platform again (npm rebuild koffi); a bundle must leave it external.",
      );
}
