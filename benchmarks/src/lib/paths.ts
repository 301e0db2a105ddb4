import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** This package's folder: the nearest with a package.json, from the sources as from what is built of them. */
export const benchmarksFolder = nearestPackage(dirname(fileURLToPath(import.meta.url)));

export const repositoryRoot = dirname(benchmarksFolder);

/** A program that a bench starts, by its file's name in src/children. */
export function childProgram(name: string): string {
  return join(benchmarksFolder, "dist", "children", `${name}.js`);
}

function nearestPackage(folder: string): string {
  return existsSync(join(folder, "package.json")) ? folder : nearestPackage(dirname(folder));
}
