/**
 * The package as its users get it: packed, checked by publint and attw, installed in an empty project, imported,
 * required, type-checked, bundled. Needs a built `dist`. Prints a line per check, and the counts last.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildSync, formatMessagesSync } from "esbuild";
import { entryPoints, inRoot, manifest } from "./paths.ts";

const { name, scripts } = manifest();
const subpaths = entryPoints().map(([subpath]) => name + subpath.slice(1));
const work = realpathSync(mkdtempSync(join(tmpdir(), "dcokit package ")));
const project = join(work, "project");

let passed = 0;
let failed = 0;

/** Runs one check; false if it failed. */
function check(title: string, body: () => void): boolean {
  try {
    body();
    passed++;
    console.log(`ok - ${title}`);
    return true;
  } catch (error) {
    failed++;
    console.log(`not ok - ${title}`);
    for (const line of (error as Error).message.trimEnd().split("\n")) console.log(`  ${line}`);
    return false;
  }
}

/** Runs a command to its end; its output, or an error that holds it. */
function output(cwd: string, command: string, args: readonly string[]): string {
  const done = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (done.error) throw done.error;
  if (done.status !== 0)
    throw new Error(`${command} ended with ${done.signal ?? done.status}\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

const node = (cwd: string, ...args: string[]) => output(cwd, process.execPath, args);
const tool = (...path: string[]) => inRoot("node_modules", ...path);
const write = (file: string, text: string) => writeFileSync(join(project, file), text);

function same(what: string, found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, expected ${b}`);
}

/**
 * Statements that print the sorted export names of each entry point, and how opening the driver ends: that loads
 * koffi, which is where formats and bundlers differ.
 */
function report(bind: (subpath: string, index: number) => string): string {
  return `${subpaths.map(bind).join("\n")}
const names = [${subpaths.map((_, index) => `Object.keys(m${index}).filter((key) => key !== "default").sort()`)}];
${opening("m0")}.then((ended) => console.log(JSON.stringify([names, ended])));
`;
}

/** An expression: how `openDriver` ends, in words. */
function opening(module: string): string {
  return `${module}.openDriver().then(
  (driver) => driver.close().then(() => "opened"),
  (error) => error.code + ": " + error.message,
)`;
}

const withImport = report((subpath, index) => `import * as m${index} from ${JSON.stringify(subpath)};`);
const withRequire = report((subpath, index) => `const m${index} = require(${JSON.stringify(subpath)});`);

/** Some cases of the suite that is shipped, on the backend that is shipped. */
const SUITE_RUN = `const open = () =>
  suite.openStreamSubject({ name: "userspace", host: suite.userspaceHost, haste: 5 });
const rounds = [{ open, cases: suite.cases }];
suite.runConformance(rounds, { filter: "keys: ", print: () => {} }).then((result) => {
  const { passed, failed, skipped } = result;
  console.log(JSON.stringify({ passed, failed, skipped }));
});
`;

/** What a user's code may assume about types; the last line fails if `DcoError` is `any`. */
const typed = `${subpaths.map((subpath, index) => `import * as m${index} from ${JSON.stringify(subpath)};`).join("\n")}
import { DcoError, type DcoErrorCode } from ${JSON.stringify(name)};
export const all: object[] = [${subpaths.map((_, index) => `m${index}`)}];
const code: DcoErrorCode = new DcoError("invalid", "text").code;
console.log(code);
// @ts-expect-error no such code
new DcoError("no such code", "text");
`;

/** The tarball, by its path. */
function pack(): string {
  for (const script of ["preinstall", "install", "postinstall", "prepare"])
    if (script in scripts) throw new Error(`package.json has the install script ${script}`);
  output(inRoot(), "npm", ["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", work]);
  const tarball = readdirSync(work).find((file) => file.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack made no tarball");
  const files = output(work, "tar", ["tzf", tarball]).trimEnd().split("\n");
  const expected =
    /^package\/(dist\/.+\.(js|js\.map|d\.ts|json)|docs\/.+\.md|LICENSE|README\.md|package\.json)$/;
  const strays = files.filter((file) => !expected.test(file));
  if (strays.length > 0) throw new Error(`files that should not be shipped: ${strays.join(", ")}`);
  for (const file of ["package/LICENSE", "package/README.md"])
    if (!files.includes(file)) throw new Error(`${file} is not shipped`);
  return join(work, tarball);
}

function install(tarball: string): void {
  mkdirSync(project);
  write("package.json", JSON.stringify({ name: "project", private: true, type: "module" }));
  // No install script may be needed; what is in npm's cache needs no network.
  const quiet = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  output(project, "npm", ["install", ...quiet, tarball]);
}

function typeCheck(title: string, file: string, options: object): void {
  check(`types: ${title}`, () => {
    write(file, typed);
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: "es2023",
      typeRoots: [tool("@types")],
      types: ["node"],
      ...options,
    };
    write("tsconfig.json", JSON.stringify({ compilerOptions, files: [file] }));
    node(project, tool("typescript", "bin", "tsc"), "-p", "tsconfig.json");
  });
}

/** Bundles `source`, whose ending says its own format, into `format`, and runs the bundle. */
function bundle(source: string, format: "esm" | "cjs", code: string, expected: unknown): void {
  check(`bundle: esbuild, ${source} as ${format}, koffi left external; it runs`, () => {
    write(source, code);
    const outfile = `${source}.bundle.${format === "esm" ? "mjs" : "cjs"}`;
    const { warnings } = buildSync({
      absWorkingDir: project,
      entryPoints: [source],
      outfile,
      format,
      bundle: true,
      platform: "node",
      external: ["koffi", "netlink", "ffi-rs"],
      logLevel: "silent",
    });
    same("warnings", formatMessagesSync(warnings, { kind: "warning" }), []);
    same("names and openDriver()", JSON.parse(node(project, outfile)), expected);
  });
}

function checkInstalled(): void {
  let imported: unknown;
  check("import; openDriver() ends as it does from the sources", () => {
    write("import.mjs", withImport);
    const [names, ended] = JSON.parse(node(project, "import.mjs")) as [string[][], string];
    if (names.some((list) => list.length === 0)) throw new Error("an entry exports nothing");
    const source = pathToFileURL(inRoot("src", "index.ts")).href;
    write(
      "source.mjs",
      `import * as m from ${JSON.stringify(source)};\n${opening("m")}.then(console.log);\n`,
    );
    same("openDriver(), as from the sources", ended, node(project, "source.mjs").trimEnd());
    imported = [names, ended];
  });
  check("require gives the same", () => {
    write("require.cjs", withRequire);
    same("names and openDriver()", JSON.parse(node(project, "require.cjs")), imported);
  });
  check("an error of one copy is known to the other", () => {
    write(
      "both.mjs",
      `import { createRequire } from "node:module";
import { DcoError } from ${JSON.stringify(name)};
const other = createRequire(import.meta.url)(${JSON.stringify(name)}).DcoError;
const error = new other("invalid", "text");
console.log(JSON.stringify([other === DcoError, error instanceof DcoError, DcoError.is(error)]));
`,
    );
    same("[one class, instanceof, is]", JSON.parse(node(project, "both.mjs")), [false, true, true]);
  });
  for (const [file, bind] of [
    ["suite.mjs", `import * as suite from "${name}/conformance";`],
    ["suite.cjs", `const suite = require("${name}/conformance");`],
  ] as const) {
    check(`the conformance suite runs on userspace, from ${file}`, () => {
      write(file, `${bind}\n${SUITE_RUN}`);
      const { passed, failed, skipped } = JSON.parse(node(project, file)) as Record<string, number>;
      if (failed !== 0 || skipped !== 0 || !(Number(passed) >= 20))
        throw new Error(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    });
  }
  typeCheck("nodenext, ES module", "typed.mts", { module: "nodenext" });
  typeCheck("nodenext, CommonJS", "typed.cts", { module: "nodenext" });
  typeCheck("bundler", "typed.ts", { module: "esnext", moduleResolution: "bundler" });
  bundle("main.mjs", "esm", withImport, imported);
  bundle("main.mjs", "cjs", withImport, imported);
  bundle("main.cjs", "cjs", withRequire, imported);
}

try {
  let tarball = "";
  const packed = check("npm pack: the right files, no install scripts", () => {
    tarball = pack();
  });
  if (packed) {
    check("publint", () => void node(inRoot(), tool("publint", "src", "cli.js"), "--strict", tarball));
    // node10 is left out: that resolution knows no exports map, and every Node in engines does.
    const attw = tool("@arethetypeswrong", "cli", "dist", "index.js");
    check("attw", () => void node(inRoot(), attw, tarball, "--profile", "node16", "--no-emoji"));
    if (check("npm install of the tarball", () => install(tarball))) checkInstalled();
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exitCode = failed === 0 ? 0 : 1;
