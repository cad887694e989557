/**
 * ci/vm/start-node, with a program in place of Node that crashes as often as it is told.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const script = fileURLToPath(new URL("../../ci/vm/start-node", import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dcokit-start-node-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Its n-th start is the n-th of these pieces of shell; the last one stands for all others. */
function start(...starts: string[]) {
  return startWith({ DCOKIT_VM_ACCEL_INFO: "tcg, for a test" }, ...starts);
}

/** The same with these variables. */
function startWith(variables: NodeJS.ProcessEnv, ...starts: string[]) {
  return startBy(["--again"], variables, ...starts);
}

/** The same with these options. */
function startBy(options: readonly string[], variables: NodeJS.ProcessEnv, ...starts: string[]) {
  const cases = starts.map((code, n) => `${n === starts.length - 1 ? "*" : n + 1}) ${code} ;;`);
  const program = join(folder, "node");
  const log = join(folder, "log");
  writeFileSync(
    program,
    `#!/bin/sh\nprintf '%s\\n' "$*" >>${log}\ncase $(wc -l <${log}) in\n${cases.join("\n")}\nesac\n`,
  );
  chmodSync(program, 0o755);
  const temporary = mkdtempSync(join(folder, "tmp-"));
  const { status, stdout, stderr } = spawnSync(
    "sh",
    [script, ...options, program, "cases.ts", "--filter", "a b"],
    {
      encoding: "utf8",
      timeout: 20_000,
      env: { ...process.env, DCOKIT_VM_ACCEL_INFO: undefined, TMPDIR: temporary, ...variables },
    },
  );
  expect(readdirSync(temporary)).toEqual([]);
  const again = stderr.split("\n").filter((line) => line.includes("started again")).length;
  return { status, stdout, again, calls: readFileSync(log, "utf8").split("\n").slice(0, -1) };
}

const CALL = "--no-wasm-tier-up cases.ts --filter a b";
const SEGV = "kill -SEGV $$";

test.runIf(process.platform === "linux").each([
  ["success", "echo one; echo two", 0, "one\ntwo\n"],
  ["failure", "echo one; exit 3", 3, "one\n"],
  ["failure without a word", "exit 1", 1, ""],
  ["a crash after the first line", `echo one; ${SEGV}`, 139, "one\n"],
  ["another signal", "kill -KILL $$", 137, ""],
])("a program is started once: %s", (_what, code, status, stdout) => {
  expect(start(code)).toEqual({ status, stdout, again: 0, calls: [CALL] });
});

test.runIf(process.platform === "linux")("it is started again if it crashes before its first line", () => {
  const ended = start(SEGV, "kill -TRAP $$", "echo one; exit 4");
  expect(ended).toEqual({ status: 4, stdout: "one\n", again: 2, calls: [CALL, CALL, CALL] });
});

test.runIf(process.platform === "linux")("but not for ever", () => {
  expect(start(SEGV)).toEqual({ status: 139, stdout: "", again: 4, calls: new Array(5).fill(CALL) });
});

test.runIf(process.platform === "linux").each([[{ DCOKIT_VM_ACCEL_INFO: "kvm, for a test" }], [{}]])(
  "nor where the processor is real: %o",
  (variables) => {
    expect(startWith(variables, SEGV)).toMatchObject({ status: 139, calls: [CALL] });
  },
);

test.runIf(process.platform === "linux")("nor without being told to", () => {
  const ended = startBy([], { DCOKIT_VM_ACCEL_INFO: "tcg, for a test" }, SEGV);
  expect(ended).toEqual({ status: 139, stdout: "", again: 0, calls: [CALL] });
});

test.runIf(process.platform === "linux")("output that nobody brings across is told", () => {
  const tail = join(folder, "tail");
  // Once the program has begun.
  writeFileSync(tail, `#!/bin/sh\nuntil [ -s ${join(folder, "log")} ]; do sleep 0.01; done\nexit 1\n`);
  chmodSync(tail, 0o755);
  const ended = startWith({ PATH: `${folder}:${process.env["PATH"]}` }, "echo one; exec sleep 15");
  expect(ended).toMatchObject({ status: 125, stdout: "" });
});

test.runIf(process.platform === "linux")("nobody waits for what it leaves running", () => {
  const ended = start(`sleep 15 2>/dev/null & echo $! >${folder}/pid; echo one`);
  // Fails if that has ended.
  process.kill(Number(readFileSync(join(folder, "pid"), "utf8")), "SIGKILL");
  expect(ended).toMatchObject({ status: 0, stdout: "one\n" });
});
