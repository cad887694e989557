/**
 * `npm run docs:api`: the API reference, made by TypeDoc of the sources' comments, into build/api; with `--check`
 * nothing is written.
 *
 * What is exported and not described, or named by what is exported and not exported itself, and a link that leads
 * nowhere, is an error. TypeDoc needs the compiler of TypeScript 6, since 7 has no such interface: it is given that one
 * for the name `typescript`.
 */
import { registerHooks } from "node:module";
import { entryPoints, inRoot, sourceOf } from "./paths.ts";

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === "typescript" ? "typescript-6" : specifier, context),
});

/** Not committed, and no part of the package. */
const OUT = inRoot("build", "api");

const { Application } = await import("typedoc");

const app = await Application.bootstrap({
  name: "dcokit",
  readme: "none",
  entryPoints: entryPoints().map(([subpath]) => inRoot(sourceOf(subpath))),
  tsconfig: inRoot("tsconfig.json"),
  skipErrorChecking: true, // tsc does that
  excludeInternal: true,
  excludePrivate: true,
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  // Not each property: where name and type say it all, a sentence would say it twice.
  requiredToBeDocumented: ["Enum", "Variable", "Function", "Class", "Interface", "TypeAlias", "Method"],
  // The type of a parameter that only the project's own tests give.
  intentionallyNotExported: ["DatagramSockets"],
  hideGenerator: true,
  // Links to the sources would need a remote that is known to git, which a checkout need not have.
  disableSources: true,
  out: OUT,
});
const project = await app.convert();
if (project) {
  // By the names that are imported, not by those of the sources.
  for (const module of project.children ?? []) {
    const entry = entryPoints().find(([subpath]) => sourceOf(subpath) === `${module.name}/index.ts`);
    if (entry) module.name = `dcokit${entry[0].slice(1)}`;
  }
  app.validate(project);
  if (!process.argv.includes("--check")) await app.generateOutputs(project);
}
if (project === undefined || app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
