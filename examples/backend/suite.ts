/**
 * The suite against the example backend: `node examples/backend/suite.ts [--filter TEXT] [--json FILE]`. (For
 * "../../test/conformance/index.ts" read "dcokit/conformance".)
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cases, openStreamSubject, runConformance, userspaceHost } from "../../test/conformance/index.ts";
import { ExampleBackend, type Interfaces } from "./driver.ts";

// docs-begin suite
/** A host: all backends of one see the same interfaces. */
export function exampleHost() {
  const interfaces: Interfaces = new Map();
  return { openBackend: () => new ExampleBackend(interfaces) };
}

/** It talks to itself; then dcokit's own backend is at the other end, either way round. */
export const ROUNDS = [
  { open: () => openStreamSubject({ name: "example", host: exampleHost }), cases },
  ...(["server", "clients"] as const).map((at) => {
    const variant = `at the ${at}`;
    const talking = cases.filter(({ group }) => ["keys", "peers", "rotation"].includes(group));
    return {
      open: () => openStreamSubject({ name: "example", host: exampleHost, peer: userspaceHost, at, variant }),
      cases: talking,
      variant,
    };
  }),
];
// docs-end

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { filter: { type: "string" }, json: { type: "string" } } });
  const { failed } = await runConformance(ROUNDS, values);
  process.exitCode = failed === 0 ? 0 : 1;
}
