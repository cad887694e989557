/**
 * The examples of README.md and docs/ are checked by tsc, and run as far as that needs no kernel. The others, and these
 * again, are run on a kernel by `npm run test:examples`.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { inRoot } from "../../../ci/paths.ts";
import { blocksOf, exampleFiles, pages, readPage, strayExamples } from "../../examples/blocks.ts";

const FOLDER = "examples-unit";

/** All scenes, on a machine that does something else. */
const PATIENCE_MS = 240_000;

const blocks = pages().flatMap((page) => blocksOf(page, readPage(page)));
const where = ({ page, line }: { page: string; line: number }) => `${page}:${line}`;

describe("each example of a page", () => {
  it("has a name and is run, or is a part of what is run, or says why it is not run", () => {
    const neither = blocks.filter(({ file, partOf, notRun }) => !file && !partOf && !notRun);
    expect(neither.map(where)).toEqual([]);
  });

  it("is run: what is not is listed here too", () => {
    expect(blocks.flatMap((block) => block.notRun ?? []).sort()).toEqual([]);
  });

  it("is in a fence", () => {
    expect(pages().flatMap((page) => strayExamples(page, readPage(page)))).toEqual([]);
  });

  const parts = blocks.filter(({ partOf }) => partOf);

  it.each(parts.map((block) => [where(block), block] as const))(
    "%s is the program",
    (_, { partOf, code }) => {
      const { file, mark } = partOf as NonNullable<typeof partOf>;
      const program = readFileSync(inRoot(file), "utf8");
      const text = new RegExp(` *// docs-begin ${mark}\n(.*?) *// docs-end`, "s").exec(program)?.[1];
      expect(text).toBeDefined();
      const indent = /^ */.exec(text as string)?.[0] ?? "";
      const own = code.replace(/^(import [^\n]* from "dcokit[^\n]*\n)+\n/, "");
      expect(own).toBe(text?.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
    },
  );

  it("is formatted as the sources are", () => {
    for (const { name, code } of exampleFiles(blocks).filter(({ name }) => name.endsWith(".ts"))) {
      const biome = inRoot("node_modules", "@biomejs", "biome", "bin", "biome");
      const args = [biome, "format", `--stdin-file-path=${name}`];
      const { stdout } = spawnSync(process.execPath, args, { input: code, encoding: "utf8", cwd: inRoot() });
      expect(stdout, name).toBe(code);
    }
  });
});

test("all that need no kernel do what their pages say", { timeout: PATIENCE_MS }, () => {
  const node = (...args: string[]) =>
    spawnSync(process.execPath, args, { encoding: "utf8", cwd: inRoot(), timeout: PATIENCE_MS });
  const built = node("--no-warnings", "test/examples/build.ts", FOLDER);
  expect(`${built.stdout}${built.stderr}`).toBe("");
  expect(built.status).toBe(0);
  const { status, stdout, stderr } = node(`build/${FOLDER}/run.mjs`);
  expect(status, `${stdout}${stderr}`).toBe(0);
});

describe("a page", () => {
  const page = [
    "<!-- not run: it takes a year -->",
    "```ts",
    "await forever();",
    "```",
    "```ts a.ts kernel",
    "first();",
    "```",
    "text",
    "```ts a.ts",
    "second();",
    "```",
    "    dco doctor",
    "",
  ].join("\n");

  it("is read block by block", () => {
    expect(blocksOf("docs/x.md", page)).toMatchObject([
      { line: 3, file: undefined, notRun: "it takes a year", code: "await forever();\n" },
      { line: 6, file: "a.ts", kernel: true, notRun: undefined },
      { line: 10, file: "a.ts", kernel: false },
    ]);
    expect(strayExamples("docs/x.md", page)).toEqual(["docs/x.md:12: dco doctor"]);
  });

  it("makes one file of the blocks with one name", () => {
    const [file, ...others] = exampleFiles(blocksOf("docs/x.md", page));
    expect(others).toEqual([]);
    expect(file).toMatchObject({ name: "x/a.ts", kernel: true, code: "first();\n\nsecond();\n" });
  });

  it("may not say what nobody understands", () => {
    expect(() => blocksOf("docs/x.md", "```ts a.ts kernal\n```\n")).toThrow('docs/x.md:2: what is "kernal"?');
  });
});
