import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installedFamilies } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkpointDigest } from "../src/checkpoint/index.js";
import { resolveRecipe } from "../src/config/index.js";
import { BatchLoader, readManifest } from "../src/data/index.js";
import { gatherHolders } from "../src/distributed/held-state.js";
import { readMetrics } from "../src/metrics/index.js";
import { recipeByName } from "../src/recipes/index.js";
import { Trainer } from "../src/trainer.js";
import { saveTrainingState } from "../src/training-state.js";
import { cai, writeTexts } from "./support/cli.js";

const folder = mkdtempSync(join(tmpdir(), "cai-cli-"));
const at = (...names: string[]) => join(folder, ...names);
const train = (run: string, ...more: string[]) => [
  ...["train", "smoke", "--data", at("data"), "--run", at(run), "--set", "threads=2"],
  ...more,
];

beforeAll(async () => {
  writeTexts(at("texts"));
  const args = ["prepare", "--corpus", `texts=${at("texts")}`, "--out", at("data"), "--vocab-size", "320"];
  const prepared = await cai([...args, "--json"]);
  expect(prepared).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(prepared.stdout)).toMatchObject({ tokenizer: { vocabSize: 320 } });
  expect(await cai(train("whole"))).toMatchObject({ code: 0 });
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("cai prepare", () => {
  it("takes conversations beside texts, and the tokenizer of a run, a checkpoint or a prepared directory", async () => {
    const turns = ["Who blows?", "She does."].map((content, i) => ({ role: i === 0 ? "user" : "assistant", content }));
    writeFileSync(at("chats.jsonl"), `${JSON.stringify({ messages: turns })}\n`.repeat(3));
    const run = at("whole");
    const sha256s = await Promise.all(
      [run, join(run, "checkpoints", "step-00000010"), at("data"), at("data", "tokenizer.json")].map(
        async (path, i) => {
          const inputs = ["--conversations", `chats=${at("chats.jsonl")}`, "--corpus", `texts=${at("texts")}`];
          const words = ["prepare", ...inputs, "--tokenizer", path, "--out", at(`chats-${i}`), "--json"];
          const { code, stdout } = await cai([...words, "--loss-roles", "user,assistant"]);
          expect(code).toBe(0);
          const { tokenizer, chat, corpora } = JSON.parse(stdout);
          expect(chat).toMatchObject({ template: { name: "plain" }, lossRoles: ["user", "assistant"] });
          expect(corpora.map(({ kind }: { kind: string }) => kind)).toEqual(["text", "conversations"]);
          return tokenizer.sha256;
        },
      ),
    );
    expect(new Set(sha256s)).toEqual(new Set([readManifest(at("data")).tokenizer.sha256]));
  });

  it("says what a template or a role may be, and what is missing", async () => {
    const words = ["prepare", "--conversations", "chats=x.jsonl", "--out", at("none")];
    const wrong = [
      [["--template", "jinja"], '--template: expected one of plain, chatml, got "jinja"'],
      [["--loss-roles", "user,bot"], '--loss-roles: expected one of system, user, assistant, tool, got "bot"'],
      [["--conversations", "x.jsonl"], '--conversations: expected name=path, got "x.jsonl"'],
    ] as const;
    for (const [more, message] of wrong) {
      expect(await cai([...words, ...more])).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    }
    expect(await cai(["prepare"])).toMatchObject({ code: 2, stderr: expect.stringContaining("at least one") });
  });
});

describe("cai train", () => {
  it("leaves recipe, metrics, summary, report and checkpoints in the run folder", () => {
    expect(readdirSync(at("whole")).sort()).toEqual([
      "checkpoints",
      "metrics.jsonl",
      "recipe.json",
      "report.html",
      "summary.json",
    ]);
    expect(readdirSync(at("whole", "checkpoints"))).toEqual(["step-00000010", "step-00000015", "step-00000020"]);
    const metrics = readMetrics(at("whole"));
    expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(metrics.at(-1)?.loss).toBeLessThan(metrics[0]?.loss as number);
    const summary = JSON.parse(readFileSync(at("whole", "summary.json"), "utf8"));
    expect(summary).toMatchObject({ name: "smoke", finished: true, steps: 20, skippedSteps: 0 });
    expect(summary.baselines).toHaveLength(2);
    expect(summary.usedShare).toBeGreaterThan(0.95);
  });

  it("prints JSON lines and nothing else on stdout with --json", async () => {
    const { code, stdout } = await cai(train("json", "--json", "--set", "steps=3", "--set", "schedule.decaySteps=1"));
    expect(code).toBe(0);
    const types = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).type);
    expect(types).toEqual(["start", "step", "step", "step", "checkpoint", "finishing", "summary"]);
  });

  it("stops at Ctrl-C with a checkpoint, says how to go on, and resumes to the same end", async () => {
    // Long enough that the signal arrives well before the last step, on a busy machine too.
    const long = ["--json", "--set", "steps=200"];
    const stopped = await cai(train("stopped", ...long), (stdout, kill) => {
      if (stdout.includes('"step":3')) kill("SIGINT");
    });
    expect(stopped.code).toBe(130);
    const last = JSON.parse(stopped.stdout.trim().split("\n").at(-1) as string);
    expect(last).toMatchObject({ type: "summary", finished: false });
    expect(existsSync(last.checkpoint)).toBe(true);
    expect(await cai(["resume", at("stopped")])).toMatchObject({ code: 0 });
    expect(await cai(train("not-stopped", ...long))).toMatchObject({ code: 0 });
    const digest = (run: string) => checkpointDigest(at(run, "checkpoints", "step-00000200"));
    expect(await digest("stopped")).toBe(await digest("not-stopped"));
  });

  it("ends with the same checkpoint when killed at any step and resumed", async () => {
    for (const [run, step] of [
      ["killed-a", 4],
      ["killed-b", 9],
    ] as const) {
      const killed = await cai(train(run, "--json"), (stdout, kill) => {
        if (stdout.includes(`"step":${step}`)) kill("SIGKILL");
      });
      expect(killed.signal).toBe("SIGKILL");
      expect(await cai(["resume", at(run)])).toMatchObject({ code: 0 });
      expect(await digestAt(run)).toBe(await digestAt("whole"));
      expect(readMetrics(at(run)).map(({ step: n, loss }) => [n, loss])).toEqual(
        readMetrics(at("whole")).map(({ step: n, loss }) => [n, loss]),
      );
    }
  });

  it("names a torn checkpoint, and goes on from the one before when asked to", async () => {
    expect(await cai(train("torn", "--set", "steps=20"))).toMatchObject({ code: 0 });
    const newest = at("torn", "checkpoints", "step-00000020");
    truncateSync(join(newest, "model.safetensors"), 1000);
    const refused = await cai(["resume", at("torn")]);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toMatch(/step-00000020: model\.safetensors is truncated: expected \d+ bytes, got 1000/);
    expect(await cai(["resume", at("torn"), "--fallback"])).toMatchObject({ code: 0 });
    expect(await digestAt("torn")).toBe(await digestAt("whole"));
  });

  it("refuses a folder that is in use, a recipe that makes no sense and data that is not there", async () => {
    const inUse = await cai(train("whole"));
    expect(inUse).toMatchObject({ code: 2, stdout: "" });
    expect(inUse.stderr).toContain("is not empty: name another folder with --run, or go on with it by `cai resume");
    const senseless = await cai(train("new", "--set", "optim.lr=fast"));
    expect(senseless.code).toBe(2);
    expect(senseless.stderr).toMatch(/optim\.lr: expected .*, got "fast"/);
    const absent = await cai(["train", "smoke", "--data", at("nowhere"), "--run", at("new")]);
    expect(absent.code).toBe(3);
    expect(absent.stderr).toContain("Run `cai prepare` first");
    expect(existsSync(at("new"))).toBe(false);
  });

  it("stops with a clear error after too many steps in a row without a finite gradient", async () => {
    await savePoisonedRun(at("poisoned"));
    const { code, stderr } = await cai(["resume", at("poisoned")]);
    expect(code).toBe(4);
    expect(stderr).toContain("11 steps in a row had a gradient that is not finite, the last at step 16");
  });
});

/** A run whose checkpoint after step 5 holds a NaN. */
async function savePoisonedRun(runDir: string): Promise<void> {
  const recipe = resolveRecipe(recipeByName("smoke", { dataDir: at("data") }), ["threads=2"]);
  const trainer = new Trainer(recipe);
  trainer.model.parameters.values.data.fill(Number.NaN, 0, 32 * 320);
  const batches = new BatchLoader({ ...recipe.data, batchSize: recipe.batchSize, seed: recipe.seed });
  const counters = { tokens: 0, skippedSteps: 0, skippedInARow: 0 };
  const tokenizer = readFileSync(at("data", "tokenizer.json"), "utf8");
  const holders = await gatherHolders(trainer.communicator, trainer.heldState());
  await saveTrainingState(runDir, 5, { trainer, holders, batches, counters, tokenizer });
  batches.close();
}

describe("cai eval, generate and info", () => {
  it("measures what training reported", async () => {
    const { code, stdout } = await cai(["eval", at("whole"), "--json"]);
    expect(code).toBe(0);
    const { valLoss, bitsPerByte } = JSON.parse(readFileSync(at("whole", "summary.json"), "utf8"));
    expect(JSON.parse(stdout)).toMatchObject({ step: 20, loss: valLoss, bitsPerByte });
  });

  it("writes text that starts with the prompt, the same for the same seed", async () => {
    const args = ["generate", at("whole"), "--prompt", "the white", "--max-tokens", "12", "--seed", "3"];
    const [first, again] = [await cai(args), await cai(args)];
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toMatch(/^the white/);
    expect(again.stdout).toBe(first.stdout);
    const json = JSON.parse((await cai([...args, "--json"])).stdout);
    expect(`${json.prompt}${json.text}\n`).toBe(first.stdout);
  });

  it("draws several texts, of which the first is the one that it writes without", async () => {
    const args = ["generate", at("whole"), "--prompt", "the", "--max-tokens", "9", "--seed", "3"];
    const one = JSON.parse((await cai([...args, "--json"])).stdout);
    const { texts } = JSON.parse((await cai([...args, "--samples", "3", "--json"])).stdout);
    expect(texts).toHaveLength(3);
    expect(texts[0]).toEqual({ text: one.text, ids: one.ids, ended: expect.any(Boolean) });
    const { stdout } = await cai([...args, "--samples", "3"]);
    expect(stdout).toMatch(/^\[1\] \d+ tokens, (not )?ended\nthe/);
    for (const { text } of texts) expect(stdout).toContain(`\nthe${text}\n`);
  });

  it("prints the best texts of a beam search with their scores", async () => {
    const args = ["generate", at("whole"), "--prompt", "the", "--max-tokens", "9", "--beams", "4"];
    const { code, stdout } = await cai([...args, "--return", "2", "--length-penalty", "0", "--json"]);
    expect(code).toBe(0);
    const { texts } = JSON.parse(stdout);
    expect(texts).toHaveLength(2);
    expect(texts[0].score).toBeGreaterThanOrEqual(texts[1].score);
    expect(texts[0].score).toBe(texts[0].logProb);
    const [best, two] = [await cai([...args, "--length-penalty", "0"]), await cai([...args, "--return", "2"])];
    expect(best.stdout).toBe(`the${texts[0].text}\n`);
    expect(two.stdout).toMatch(/^\[1\] score -\d+\.\d{3}, ln p -\d+\.\d{3}, \d+ tokens, (not )?ended\nthe/);
  });

  it("says which options don't go together", async () => {
    const refused = async (...args: string[]) => {
      const { code, stdout, stderr } = await cai(["generate", at("whole"), ...args]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      return stderr;
    };
    expect(await refused("--beams", "2", "--temperature", "1")).toContain(
      "option '--beams <n>' cannot be used with option '--temperature <t>'",
    );
    expect(await refused("--beams", "2", "--return", "3")).toContain(
      "--return must be from 1 to the 2 of --beams, got 3",
    );
    expect(await refused("--return", "3")).toContain("give --beams, or --samples for several texts");
    expect(await refused("--length-penalty", "1", "--samples", "2")).toContain("give --beams too");
    expect(await refused("--beams", "0")).toContain("beams must be an integer of at least 1, got 0");
  });

  it("describes a checkpoint, a recipe and the backend", async () => {
    const run = JSON.parse((await cai(["info", at("whole"), "--json"])).stdout);
    expect(run).toMatchObject({ step: 20, digest: await digestAt("whole"), recipe: { name: "smoke" } });
    const recipe = JSON.parse((await cai(["info", "gpt2-s", "--json"])).stdout);
    expect(recipe.parameters).toBe(4_273_664);
    const backend = JSON.parse((await cai(["info", "--json"])).stdout);
    expect(backend).toMatchObject({ backend: "cpu", mpi: { tried: expect.any(Array) } });
    if (installedFamilies().length > 0) expect(backend.mpi.library).toMatch(/libmpi/);
    expect(backend.mpi).not.toHaveProperty("launchedBy");
    expect((await cai(["info"])).stdout).toContain("no launcher started this process");
    expect((await cai(["info", "start"])).stdout).toMatch(/^recipe +start\n/);
  });

  it("refuses a model folder that is none", async () => {
    const { code, stderr } = await cai(["generate", at("texts")]);
    expect(code).toBe(3);
    expect(stderr).toContain("manifest.json");
  });
});

describe("cai", () => {
  it("is the command that npm links in a fresh clone, where nothing is built yet", () => {
    const linked = execFileSync(join("node_modules", ".bin", "cai"), ["info", "--json"], { encoding: "utf8" });
    expect(JSON.parse(linked)).toMatchObject({ backend: "cpu" });
  });

  it("shows help with examples, and refuses unknown words with exit code 2", async () => {
    for (const command of ["prepare", "train", "resume", "eval", "generate", "chat", "info"]) {
      const { code, stdout } = await cai([command, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples?:\n {2}\$ cai/);
    }
    expect(await cai(["paint"])).toMatchObject({ code: 2, stdout: "" });
    expect(await cai(["train"])).toMatchObject({ code: 2, stdout: "" });
  });
});

function digestAt(run: string): Promise<string> {
  return checkpointDigest(at(run, "checkpoints", "step-00000020"));
}
