import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

interface PackageFile {
  readonly name: string;
  readonly version: string;
}

/** The version of this package, or of one that it depends on. */
export function packageVersion(name: "@cai/trainer" | "@cai/native"): string {
  const here = fileURLToPath(import.meta.url);
  const file = name === "@cai/trainer" ? here : createRequire(here).resolve(name);
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    const path = join(directory, "package.json");
    const found = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as PackageFile) : undefined;
    if (found?.name === name) return found.version;
    if (dirname(directory) === directory) return "unknown";
  }
}
