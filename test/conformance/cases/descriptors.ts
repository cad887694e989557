/**
 * A process that runs out of descriptors.
 */
import assert from "node:assert/strict";
import { group } from "../case.ts";
import { Child } from "../linux/child.ts";
import { interfacesOf, kindOf, LINUX_ONLY, namespaceOf } from "../linux/raw.ts";

/** The process's limit: enough for Node, and soon filled. */
const LIMIT = 256;

/** What one try was left with, and what came of it; a line of children/descriptors.ts. */
interface Tried {
  readonly free: number;
  /** The verb that failed, with its error's code and native name; undefined when all went well. */
  readonly failed?: {
    readonly operation: string;
    readonly code: string;
    readonly native?: string;
    readonly message?: string;
  };
  /** What was open afterwards and not before. */
  readonly left: readonly string[];
}

export const descriptorCases = group("faults", [
  {
    ...LINUX_ONLY,
    name: "when descriptors run out, at any moment, the call fails with EMFILE and nothing is left behind",
    timeoutMs: 300_000,
    async run(world) {
      const [elsewhere] = world.clients;
      const order = {
        address: world.server.ipv4,
        namespace: namespaceOf(elsewhere),
        elsewhere: elsewhere.ipv4,
      };
      const by = ["prlimit", `--nofile=${LIMIT}:${LIMIT}`];
      const child = new Child(world, world.server, "descriptors", order, { by });
      const end = await child.end("the process without descriptors");
      assert.deepEqual(end, { code: 0, signal: null }, child.stderr);
      const tried = child.lines.map((line) => JSON.parse(line) as Tried);
      assert.deepEqual(
        tried.filter(({ left }) => left.length > 0),
        [],
      );
      const failures = tried.flatMap(({ failed }) => (failed ? [failed] : []));
      for (const { operation, code, native, message } of failures) {
        assert.deepEqual([code, native], ["system", "EMFILE"], `${operation}: ${message}`);
      }
      // They failed at different moments, and with enough descriptors all went well.
      const operations = new Set(failures.map(({ operation }) => operation));
      assert.ok(operations.size >= 3, [...operations].join());
      assert.equal(tried.at(-1)?.failed, undefined);
      assert.deepEqual(await interfacesOf(world.server, kindOf(world)), []);
    },
  },
]);
