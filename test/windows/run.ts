import { createRequire } from "node:module";

const koffi = createRequire(import.meta.url)("koffi");
console.log("TAP version 14");
console.log(`ok 1 - koffi ${koffi.version}`);
console.log("1 passed, 0 failed, 0 skipped");
