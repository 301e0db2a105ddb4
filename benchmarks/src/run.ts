// Usage: node dist/run.js NAME [--quick]   (without a name: lists the benches)
// Runs one bench, prints its table and writes results/NAME.json. A bench is a file here that exports a function of its
// name in camel case.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { CaiError } from "@cai/native";
import type { Bench, BenchResult } from "./lib/bench.js";
import { currentCommit, describeMachine, watchOthers } from "./lib/machine.js";
import { benchmarksFolder } from "./lib/paths.js";
import { formatTable } from "./lib/table.js";

/** Company that takes more than this share of the processors spoils a figure: OpenMP's barriers wait for the slowest. */
const quietShare = 0.05;
const folder = dirname(fileURLToPath(import.meta.url));

function benchNames(): string[] {
  return readdirSync(folder)
    .filter((file) => /^[a-z0-9-]+\.js$/.test(file) && file !== "run.js" && !file.startsWith("chunk-"))
    .map((file) => file.slice(0, -".js".length));
}

async function loadBench(name: string): Promise<Bench> {
  if (!benchNames().includes(name)) {
    throw new CaiError(
      "E_ARGUMENT",
      "bench",
      `expected one of ${benchNames().join(", ")}, got ${JSON.stringify(name)}`,
    );
  }
  const camelCase = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  const exports = (await import(pathToFileURL(join(folder, `${name}.js`)).href)) as Record<string, Bench>;
  const bench = exports[camelCase];
  if (!bench) throw new CaiError("E_ARGUMENT", "bench", `${name} exports no function ${camelCase}`);
  return bench;
}

function writeResult(
  name: string,
  quick: boolean,
  othersCpuShare: number | null,
  { rows, summary, peers }: BenchResult,
): string {
  const result = {
    name,
    date: new Date().toISOString(),
    commit: currentCommit(),
    machine: { ...describeMachine(), othersCpuShare },
    quick,
    peers,
    rows,
    summary,
  };
  const path = join(benchmarksFolder, "results", `${name}.json`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  return path;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { quick: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const [name] = positionals;
  if (name === undefined) {
    console.log(`Usage: npm run bench -- NAME [--quick]\nBenches: ${benchNames().join(", ")}`);
    return;
  }
  const bench = await loadBench(name);
  const othersSoFar = watchOthers();
  const result = await bench({ quick: values.quick });
  const othersCpuShare = othersSoFar(result.detachedCpuSeconds);
  const path = writeResult(name, values.quick, othersCpuShare, result);
  console.log(`${formatTable(result.rows)}\n\n${formatTable([result.summary])}\n\n${path}`);
  if (othersCpuShare !== null && othersCpuShare > quietShare) {
    console.error(
      `Other programs took ${(100 * othersCpuShare).toFixed(0)} % of the processors meanwhile: run it again alone.`,
    );
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error && ["CaiError", "SetupError"].includes(error.name) ? error.message : error);
  process.exitCode = 1;
}
