export { DcoError } from "../core/errors.ts";
