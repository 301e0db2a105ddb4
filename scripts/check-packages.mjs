// Usage: node scripts/check-packages.mjs
// What a user's tools will see of each published package: publint reads its manifest, attw resolves its types.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { localBin, root } from "./setup.mjs";

const { stdout } = spawnSync("npm", ["query", ".workspace"], { cwd: root, encoding: "utf8" });
const published = JSON.parse(stdout).filter(
  ({ path }) => !JSON.parse(readFileSync(join(path, "package.json"), "utf8")).private,
);

for (const { name, path, exports } of published) {
  console.log(name);
  const esmOnly = !JSON.stringify(exports).includes('"require"');
  const commands = [
    [localBin("publint"), ["--strict", path]],
    [localBin("attw"), ["--pack", path, "--profile", esmOnly ? "esm-only" : "node16", "--format", "ascii"]],
  ];
  for (const [command, args] of commands) {
    if (spawnSync(command, args, { cwd: root, stdio: "inherit" }).status !== 0) process.exitCode = 1;
  }
}
