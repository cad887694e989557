/** Which native modules the process has, before and after the first use. */
import { loadFfi } from "../../../../src/ffi/index.ts";

function binaries(): string {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
  return ["koffi", "ffi-rs"]
    .map((name) =>
      sharedObjects.some((path) => path.includes(name) && path.endsWith(".node")) ? name : `no ${name}`,
    )
    .join(", ");
}

console.log(`imported: ${binaries()}`);
loadFfi();
console.log(`loaded: ${binaries()}`);
