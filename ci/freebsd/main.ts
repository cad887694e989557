/**
 * Runs the conformance suite on a real FreeBSD kernel in QEMU: see README.md beside it.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { inRoot } from "../paths.ts";
import { makeDisk } from "./disk.ts";
import { runGuest } from "./guest.ts";

const USAGE =
  "usage: npm run test:freebsd -- (--image PATH | --kernel PATH --root PATH) [--json FILE] [--filter TEXT] " +
  "[--subject freebsd|mixed|userspace] [--program run|capture] [--timeout SECONDS] [--memory MIB] [--packages NAMES] [--no-bun]";

const RESULT_BYTES = 16 << 20;

const { values } = parseArgs({
  options: {
    image: { type: "string" },
    kernel: { type: "string" },
    root: { type: "string" },
    json: { type: "string" },
    filter: { type: "string", default: "" },
    program: { type: "string", default: "run" },
    subject: { type: "string", default: "freebsd,mixed" },
    timeout: { type: "string", default: "5400" },
    memory: { type: "string", default: "2048" },
    packages: { type: "string", default: "" },
    "no-bun": { type: "boolean", default: false },
  },
});

function bootOf() {
  const { image, kernel, root } = values;
  if (image !== undefined && kernel === undefined && root === undefined) {
    return { image: resolve(image), format: image.endsWith(".qcow2") ? "qcow2" : "raw" } as const;
  }
  if (image === undefined && kernel !== undefined && root !== undefined) {
    return { kernel: resolve(kernel), root: resolve(root) } as const;
  }
  throw new Error(USAGE);
}

const boot = bootOf();
const base = inRoot("build", "freebsd");
mkdirSync(base, { recursive: true });
const folder = mkdtempSync(join(base, "run-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
const result = join(folder, "result.raw");
writeFileSync(result, Buffer.alloc(RESULT_BYTES));
const runner = ["--subject", values.subject, ...(values.filter === "" ? [] : ["--filter", values.filter])];
const disk = await makeDisk(folder, join(base, "packages"), {
  program: values.program,
  arguments: runner,
  packages: values.packages,
  bun: !values["no-bun"],
});
process.exitCode = await runGuest({
  boot,
  disk,
  result,
  memory: Number(values.memory),
  network: values.packages !== "",
  timeout: Number(values.timeout),
  onLine: (line) => console.log(line),
});
if (values.json !== undefined) {
  const bytes = readFileSync(result);
  const end = bytes.indexOf(0);
  const text = bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
  if (text === "") throw new Error("the guest brought no result");
  writeFileSync(values.json, text);
}
