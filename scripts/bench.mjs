// Usage: node scripts/bench.mjs NAME [--quick]   (without a name: lists them)
// Sets up, runs one bench, prints its table and writes benchmarks/results/NAME.json.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root, runMain, setup } from "./setup.mjs";

await runMain(async () => {
  await setup();
  const main = join(root, "benchmarks", "dist", "run.js");
  const { status } = spawnSync(process.execPath, [main, ...process.argv.slice(2)], { cwd: root, stdio: "inherit" });
  process.exitCode = status ?? 1;
});
