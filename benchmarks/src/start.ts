// What does the main job come to? Runs `npm start` as a reader would, in a run folder of its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import type { RunSummary } from "@cai/trainer";
import type { Bench } from "./lib/bench.js";
import { repositoryRoot } from "./lib/paths.js";

/** Enough to see a loss fall; the figures of a quick run say nothing about the job. */
const quickOverrides = ["steps=60", "schedule.warmupSteps=10", "schedule.decaySteps=20"];

export const start: Bench = async ({ quick }) => {
  const folder = mkdtempSync(join(tmpdir(), "cai-start-"));
  try {
    const runDir = join(folder, "run");
    const overrides = quick ? quickOverrides.flatMap((override) => ["--set", override]) : [];
    const program = join(repositoryRoot, "scripts", "start.mjs");
    const { status } = spawnSync(process.execPath, [program, "--run", runDir, ...overrides], {
      cwd: repositoryRoot,
      stdio: ["ignore", "inherit", "inherit"],
    });
    if (status !== 0) throw new CaiError("E_IO", "bench", `the main job ended with status ${status}`);
    return evaluate(JSON.parse(readFileSync(join(runDir, "summary.json"), "utf8")) as RunSummary);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

function evaluate(run: RunSummary) {
  const baseline = (name: string) => run.baselines?.find((one) => one.name === name)?.bitsPerByte ?? null;
  const summary = {
    bitsPerByte: run.bitsPerByte ?? null,
    bigramBitsPerByte: baseline("interpolated token bigram"),
    byteBigramBitsPerByte: baseline("byte bigram"),
    valLoss: run.valLoss ?? null,
    tokensPerSecond: run.tokensPerSecond ?? null,
    seconds: run.seconds,
    parameters: run.parameters,
    steps: run.steps,
    tokens: run.tokens,
  };
  return {
    rows: Object.entries(summary).map(([figure, value]) => ({ figure, value })),
    summary,
    peers: { baselines: run.baselines ?? [] },
  };
}
