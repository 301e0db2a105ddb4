import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkpointDigest } from "../src/checkpoint/index.js";
import { type Recipe, resolveRecipe } from "../src/config/index.js";
import { BatchLoader, prepareCorpora } from "../src/data/index.js";
import { loadModel } from "../src/load-model.js";
import { readMetrics } from "../src/metrics/index.js";
import { recipeByName } from "../src/recipes/index.js";
import { type TrainHooks, train } from "../src/train.js";
import type { TrainEvent } from "../src/training-events.js";
import { makeTrees } from "./data/helpers.js";
import { writeTexts } from "./support/cli.js";

const folder = mkdtempSync(join(tmpdir(), "cai-initial-"));
const at = (...names: string[]) => join(folder, ...names);
const checkpointOf = (run: string, step: number) => at(run, "checkpoints", `step-${String(step).padStart(8, "0")}`);

function recipe(...settings: string[]): Recipe {
  const short = ["threads=2", "steps=6", "schedule.decaySteps=1", "checkpointEvery=2", "evalEvery=0"];
  return resolveRecipe(recipeByName("smoke", { dataDir: at("data") }), [...short, ...settings]);
}

function run(name: string, settings: string[], hooks: TrainHooks = {}) {
  return train({ kind: "new", recipe: recipe(...settings), runDir: at(name) }, hooks);
}

beforeAll(async () => {
  writeTexts(at("texts"));
  const corpora = [{ name: "texts", path: at("texts") }];
  await prepareCorpora({ corpora, outDir: at("data"), vocabSize: 320 });
  await prepareCorpora({ corpora, outDir: at("other"), vocabSize: 300 });
  await run("base", []);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a run with init.from", () => {
  it("begins at step 0 with the weights of the run's newest checkpoint, and says so", async () => {
    const events: TrainEvent[] = [];
    await run("tuned", [`init.from=${at("base")}`, "seed=2"], { onEvent: (event) => events.push(event) });
    expect(events[0]).toMatchObject({ type: "start", step: 0, initial: checkpointOf("base", 6) });

    const { trainer, checkpoint } = await loadModel(at("base"));
    const { data, batchSize, gradAccumSteps } = checkpoint.recipe;
    const loader = new BatchLoader({ ...data, batchSize, seed: 2 });
    const batches = Array.from({ length: gradAccumSteps }, () => loader.next());
    loader.close();
    expect(readMetrics(at("tuned"))[0]).toMatchObject({ step: 1, loss: trainer.step(batches).loss });
  });

  it("names the checkpoint itself in its recipe, and needs it no more once it has one of its own", async () => {
    cpSync(at("base"), at("moved"), { recursive: true });
    let steps = 0;
    await run("resumed", [`init.from=${at("moved")}`], { shouldStop: () => ++steps === 3 });
    const written = JSON.parse(readFileSync(at("resumed", "recipe.json"), "utf8"));
    expect(written.init).toEqual({ from: checkpointOf("moved", 6) });
    rmSync(at("moved"), { recursive: true });
    await train({ kind: "resume", runDir: at("resumed"), fallback: false });
    await run("straight", [`init.from=${at("base")}`]);
    const digest = (name: string) => checkpointDigest(checkpointOf(name, 6));
    expect(await digest("resumed")).toBe(await digest("straight"));
  });

  it("begins with them again when it ended before its first checkpoint", async () => {
    await run("early", [`init.from=${at("base")}`]);
    const first = readMetrics(at("early"))[0]?.loss;
    rmSync(at("early", "checkpoints"), { recursive: true });
    await train({ kind: "resume", runDir: at("early"), fallback: false });
    expect(readMetrics(at("early"))[0]?.loss).toBe(first);
  });

  it.each([
    [
      "another model",
      () => [`init.from=${at("base")}`, "model.numLayers=3", "model.window=8"],
      /model\.numLayers: expected 2 as in .*step-00000006, got 3\n {2}model\.window: expected 16 .*got 8/,
    ],
    [
      "data of another tokenizer",
      () => [`init.from=${at("base")}`, `data.dir=${at("other")}`],
      /other was prepared with another tokenizer than .*cai prepare --tokenizer .*step-00000006/,
    ],
    ["a checkpoint that is not there", () => ["init.from=nowhere"], /nowhere: no such directory/],
    ["a torn checkpoint", () => [`init.from=${at("torn")}`], /model\.safetensors is truncated/],
  ])("is refused for %s before anything is written", async (_, settings, message) => {
    cpSync(checkpointOf("base", 6), at("torn"), { recursive: true });
    truncateSync(at("torn", "model.safetensors"), 1000);
    await expect(run("refused", settings())).rejects.toThrow(message);
    expect(existsSync(at("refused"))).toBe(false);
  });
});

describe("the recipe chat", () => {
  it("takes the model of the checkpoint it starts from, two passes over the data and a lower rate", async () => {
    const from = (await loadModel(at("base"))).checkpoint;
    const chats = { kind: "conversations", name: "chats", conversations: () => makeTrees(20) } as const;
    const tokenizer = join(from.dir, "tokenizer.json");
    const { manifest } = await prepareCorpora({ corpora: [chats], outDir: at("chats"), tokenizer, valFraction: 0 });
    const tuning = resolveRecipe(recipeByName("chat", { dataDir: at("chats"), from }));
    expect(tuning).toMatchObject({ name: "chat", model: from.recipe.model, init: { from: from.dir } });
    expect(tuning.optim.lr).toBeCloseTo(from.recipe.optim.lr / 2, 12);
    const { tokens } = manifest.totals.train;
    expect(tuning.steps).toBe(Math.ceil((2 * tokens) / (tuning.batchSize * tuning.data.seqLen)));
  });

  it("says what it lacks without one", () => {
    expect(() => recipeByName("chat", { dataDir: "data" })).toThrow(/chat goes on from a trained model.*--from/);
  });
});
