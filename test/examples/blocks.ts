/**
 * The examples of the pages: fenced blocks of markdown.
 *
 * ```` ```ts server.ts ```` is a file of the page; blocks with one name are one file, in their order. The word `kernel`
 * after it says that a real kernel is needed. A comment above a block says what else may become of it:
 * `<!-- not run: REASON -->`, or `<!-- FILE: MARK -->`, where the block is a part of that file between `docs-begin MARK`
 * and `docs-end`, and that file is run.
 */
import { globSync, readFileSync } from "node:fs";
import { inRoot } from "../../ci/paths.ts";

/** One fenced block. */
export interface Block {
  /** The page, as a path below the root. */
  readonly page: string;
  /** Of its first line of code. */
  readonly line: number;
  readonly language: string;
  /** Its name on the page. */
  readonly file: string | undefined;
  readonly kernel: boolean;
  /** Why it is not run. */
  readonly notRun: string | undefined;
  /** What it is a part of. */
  readonly partOf: { readonly file: string; readonly mark: string } | undefined;
  readonly code: string;
}

/** A file that blocks of one page make up. */
export interface ExampleFile {
  /** `server/server.ts`: the page's name and the file's. */
  readonly name: string;
  readonly page: string;
  readonly line: number;
  readonly kernel: boolean;
  readonly code: string;
}

const FENCE = /^(?:<!-- (.*) -->\n)?```(\w+)(?: (.*))?\n([\s\S]*?)^```$/gm;

/** The pages: what users of the package read. */
export function pages(): string[] {
  const found = globSync("docs/**/*.md", { cwd: inRoot() });
  return ["README.md", ...found.map((path) => path.replaceAll("\\", "/")).sort()];
}

export function readPage(page: string): string {
  return readFileSync(inRoot(page), "utf8");
}

/** The blocks of a page that are TypeScript or shell. */
export function blocksOf(page: string, text: string): Block[] {
  return [...text.matchAll(FENCE)]
    .map((match): Block => {
      const [, comment = "", language = "", info = "", code = ""] = match;
      const [file, ...words] = info.split(" ").filter((word) => word !== "");
      const unknown = words.find((word) => word !== "kernel");
      const line = text.slice(0, match.index).split("\n").length + (comment === "" ? 1 : 2);
      if (unknown !== undefined) throw new Error(`${page}:${line}: what is "${unknown}"?`);
      const part = /^(\S+\.ts): (\w+)$/.exec(comment);
      return {
        page,
        line,
        language,
        file,
        kernel: words.includes("kernel"),
        notRun: /^not run: (.+)$/.exec(comment)?.[1],
        partOf: part ? { file: part[1] as string, mark: part[2] as string } : undefined,
        code,
      };
    })
    .filter(({ language }) => ["ts", "sh"].includes(language));
}

/** All files that are to be run, of all pages. */
export function exampleFiles(blocks: readonly Block[]): ExampleFile[] {
  const files = new Map<string, ExampleFile>();
  for (const { page, line, file, kernel, code } of blocks) {
    if (file === undefined) continue;
    const name = `${nameOf(page)}/${file}`;
    const before = files.get(name);
    if (before !== undefined && before.page !== page)
      throw new Error(`${page} and ${before.page} have one name`);
    files.set(name, {
      name,
      page,
      line: before?.line ?? line,
      kernel: kernel || (before?.kernel ?? false),
      code: before ? `${before.code}\n${code}` : code,
    });
  }
  return [...files.values()];
}

/** Lines of code that are in no fence, where nothing would run them. */
export function strayExamples(page: string, text: string): string[] {
  return text
    .replace(FENCE, (block) => block.replaceAll(/[^\n]/g, ""))
    .split("\n")
    .flatMap((line, at) =>
      /^ {4,}((npx )?dco [a-z]|.*\b(from|import\()? ?"dcokit["/]|.*\bawait dco\.)/.test(line)
        ? [`${page}:${at + 1}: ${line.trim()}`]
        : [],
    );
}

function nameOf(page: string): string {
  return (page.split("/").at(-1) as string).replace(/\.md$/, "").toLowerCase();
}
