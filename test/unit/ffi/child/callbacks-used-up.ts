/** Takes every address that koffi has for callbacks. */
import { DcoError } from "../../../../src/core/errors.ts";
import { loadFfi, type NativeCallback } from "../../../../src/ffi/index.ts";

const ffi = loadFfi("koffi");
const open: NativeCallback[] = [];
const nothing = () => undefined;
try {
  for (;;) open.push(ffi.callback("void", [], nothing));
} catch (error) {
  console.log(DcoError.is(error) ? error.code : error);
}
open.pop()?.close();
console.log(`one more after closing: ${ffi.callback("void", [], nothing).pointer !== 0n}`);
