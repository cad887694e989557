/**
 * What a scene has: a world of hosts, and the examples of its page, of which it is noted what was run.
 */
import { modules } from "#pages";
import type { World } from "../../conformance/world.ts";

type Modules = typeof modules;

/** Functions of examples, and scripts, that were called: `server/server.ts runServer`. */
export const called = new Set<string>();

/** What a scene is run in. */
export interface Stage {
  /** Whether a kernel carries the packets. */
  readonly kernel: boolean;
  readonly world: World;
  /** Fires when the scene is over. */
  readonly signal: AbortSignal;
  /** What the examples have printed, by lines. */
  readonly said: readonly string[];
}

/** What is done with the examples of one page. */
export interface Scene {
  readonly page: string;
  /** What it shows. */
  readonly name: string;
  /** Whether it needs a real kernel. */
  readonly kernel?: boolean;
  run(stage: Stage): Promise<void>;
}

/** The exports of an example. */
export function example<Name extends keyof Modules>(name: Name): Modules[Name] {
  const exports: object = modules[name];
  const noted = Object.entries(exports).map(([key, value]) => [key, note(`${name} ${key}`, value)]);
  return Object.fromEntries(noted) as Modules[Name];
}

function note(what: string, value: unknown): unknown {
  if (typeof value !== "function") return value;
  return (...args: unknown[]) => {
    called.add(what);
    return value(...args);
  };
}

/** All functions that examples export. */
export function exportedFunctions(): { readonly file: string; readonly what: string }[] {
  return Object.entries(modules).flatMap(([file, exports]) =>
    Object.entries(exports)
      .filter(([, value]) => typeof value === "function")
      .map(([key]) => ({ file, what: `${file} ${key}` })),
  );
}
