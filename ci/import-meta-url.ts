/** Stands in for `import.meta.url` where the build makes CommonJS. */
import { pathToFileURL } from "node:url";

export const importMetaUrl: string = pathToFileURL(__filename).href;
