/**
 * `dcokit` as the pages' examples get it: the package, with an `openDriver` that knows where it is called.
 */
export * from "../../../src/index.ts";
export { openDriver } from "./here.ts";
