import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The text of a file of this package's assets folder, which lies at another depth from sources than from dist. */
export function readAsset(name: string): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "assets", name))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error(`this copy of @cai/trainer lacks assets/${name}: install it again`);
    directory = parent;
  }
  return readFileSync(join(directory, "assets", name), "utf8");
}

/** The text of a file of an installed package. */
export function readDependency(specifier: string): string {
  return readFileSync(createRequire(import.meta.url).resolve(specifier), "utf8");
}
