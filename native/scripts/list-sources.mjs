// Usage: node scripts/list-sources.mjs
// Prints the C++ files of the addon for binding.gyp: a new op needs no entry there. build-addon.mjs compiles the rest.
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const files = readdirSync(join(root, "src"), { recursive: true })
  .map((file) => `src/${file}`)
  .filter((file) => file.endsWith(".cc") && !file.endsWith("mpi_library.cc"))
  .sort();
process.stdout.write(`${files.join("\n")}\n`);
