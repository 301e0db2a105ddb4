// Usage: node scripts/start.mjs [--run DIR] [--set path=value ...]
// The main job: sets up, prepares the corpora that npm brought, trains the recipe `start` for about three minutes and
// shows what it did. Anything after the name goes to `cai train`.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { cai } from "./cai.mjs";
import { runMain, setup } from "./setup.mjs";

const dataDir = join(".cache", "data", "start");
// One document a file: a speech, a chapter. (Files without an underscore repeat whole books.)
const corpora = {
  sotu: join("node_modules", "@stdlib", "datasets-sotu", "data"),
  "moby-dick": join("node_modules", "@stdlib", "datasets-moby-dick", "data"),
};

/** Prepares the corpora and trains. @returns the exit code. */
export async function start(args) {
  const named = Object.entries(corpora).flatMap(([name, path]) => ["--corpus", `${name}=${path}`]);
  const prepared = await cai(["prepare", ...named, "--out", dataDir, "--vocab-size", "1024", "--include", "*_*.txt"]);
  if (prepared.status !== 0) return prepared.status;
  return (await cai(["train", "start", "--data", dataDir, ...args])).status;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runMain(async () => {
    await setup();
    process.on("SIGINT", () => {});
    process.exitCode = await start(process.argv.slice(2));
  });
}
