import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8");

test("the snippet of docs/linux.md is the program that is type-checked and run", () => {
  const program = /\/\/ docs-begin\n(.*)\/\/ docs-end/s.exec(read("examples/full-tunnel.ts"))?.[1];
  const snippet = /```ts\nimport [^\n]* from "dcokit";\n\n(.*?)```/s.exec(read("docs/linux.md"))?.[1];
  expect(snippet).toBeDefined();
  expect(snippet).toBe(program);
});
