import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8");

test("the README's snippet is the program that is type-checked", () => {
  const program = /\/\/ readme-begin\n(.*) {2}\/\/ readme-end/s.exec(read("examples/quickstart.ts"))?.[1];
  const snippet = /```ts\nimport [^\n]* from "dcokit";\n\n(.*?)```/s.exec(read("README.md"))?.[1];
  expect(snippet).toBeDefined();
  expect(snippet).toBe(program?.replaceAll(/^ {2}/gm, ""));
});
