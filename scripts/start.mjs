// Usage: node scripts/start.mjs [--run DIR] [--set path=value ...]
// The main job: sets up, prepares the corpora that npm brought, trains the recipe `start` for about three minutes and
// shows what it did. Anything after the name goes to `cai train`.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root, runMain, setup } from "./setup.mjs";

const dataDir = join(".cache", "data", "start");
// One document a file: a speech, a chapter. (Files without an underscore repeat whole books.)
const corpora = {
  sotu: join("node_modules", "@stdlib", "datasets-sotu", "data"),
  "moby-dick": join("node_modules", "@stdlib", "datasets-moby-dick", "data"),
};

/** Runs a command of `cai` in this terminal. Ctrl-C reaches it too, and it decides when to end. */
function cai(...args) {
  const program = join(root, "packages", "trainer", "dist", "cli.js");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { cwd: root, stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (status) => resolve(status ?? 1));
  });
}

await runMain(async () => {
  await setup();
  process.on("SIGINT", () => {});
  const named = Object.entries(corpora).flatMap(([name, path]) => ["--corpus", `${name}=${path}`]);
  process.exitCode = await cai("prepare", ...named, "--out", dataDir, "--vocab-size", "1024", "--include", "*_*.txt");
  if (process.exitCode !== 0) return;
  process.exitCode = await cai("train", "start", "--data", dataDir, ...process.argv.slice(2));
});
