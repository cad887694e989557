/**
 * Links between the pages lead somewhere: to a file that is there, and to a heading that it has.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";
import { inRoot } from "../../ci/paths.ts";

const PAGES = ["*.md", "docs/**/*.md", "src/**/*.md", "ci/**/*.md", "test/**/*.md"].flatMap((pattern) =>
  globSync(pattern, { cwd: inRoot() }),
);

/** The text without blocks of code, in which brackets are no links. */
const prose = (page: string) => readFileSync(inRoot(page), "utf8").replaceAll(/^```[\s\S]*?^```$/gm, "");

/** A heading's anchor, as GitHub makes it. */
function anchorOf(heading: string): string {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
  return text.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = [...prose(page).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = ""]) => {
    const anchor = anchorOf(heading);
    const before = seen.get(anchor) ?? 0;
    seen.set(anchor, before + 1);
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
  return new Set(anchors);
}

/** What is wrong with a page's links. */
function deadLinks(page: string): string[] {
  const links = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return links.flatMap((target) => {
    if (/^https?:/.test(target)) return [];
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? page : normalize(join(dirname(page), path));
    if (!existsSync(inRoot(file))) return [`${target}: no such file`];
    const found = anchor === undefined || anchorsOf(file).has(anchor);
    return found ? [] : [`${target}: no such heading`];
  });
}

it("finds pages", () => expect(PAGES.length).toBeGreaterThan(10));

it.each(PAGES)("%s has no dead links", (page) => expect(deadLinks(page)).toEqual([]));
