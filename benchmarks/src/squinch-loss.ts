// Does a model learn as well when four ranks exchange gradients in 6 bits? Pairs of runs with the same seed and data.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseRecipe, type Recipe, type RecipeInput } from "@cai/trainer";
import type { Bench, BenchResult } from "./lib/bench.js";
import { int4Codec } from "./lib/int4-codec.js";
import { interval95, mean, pairedRatio } from "./lib/intervals.js";
import type { LearningResult, LearningRun } from "./lib/learning-run.js";
import { learningModel } from "./lib/models.js";
import { localLaunch, requireMpi, runRanks } from "./lib/mpi-run.js";
import { benchmarksFolder, childProgram } from "./lib/paths.js";
import { realText } from "./lib/real-text.js";
import { svgPlot } from "./lib/svg-plot.js";

type Exchange = { readonly distributed: RecipeInput["distributed"]; readonly codec?: LearningRun["codec"] };

const exchanges = {
  float32: { distributed: { exchange: "float32" } },
  bf16: { distributed: { exchange: "bf16" } },
  squinch: { distributed: { exchange: "squinch" } },
  squinchFeedback: { distributed: { exchange: "squinch", errorFeedback: true } },
  squinchAdam: { distributed: { exchange: "squinch", codebook: "adam" } },
  int4: { distributed: {}, codec: "int4" },
} as const satisfies Record<string, Exchange>;
type Name = keyof typeof exchanges;
const names = Object.keys(exchanges) as Name[];

const ranks = 4;
const vocabSize = 1024;

/**
 * Fixed before the first run, and never changed in the light of one: the architecture of the recipe `start` at half its
 * width and two thirds of its depth, its rate, and seeds from 1.
 */
const plans = {
  full: {
    seeds: [1, 2, 3, 4],
    steps: 300,
    warmupSteps: 20,
    hiddenSize: 128,
    numLayers: 4,
    curveEvery: 30,
    curveBatches: 32,
  },
  quick: { seeds: [1], steps: 4, warmupSteps: 2, hiddenSize: 32, numLayers: 2, curveEvery: 2, curveBatches: 2 },
};
type Plan = (typeof plans)["full"];

export const squinchLoss: Bench = async ({ quick }) => {
  const mpi = await requireMpi();
  const text = await realText(vocabSize);
  const plan = quick ? plans.quick : plans.full;
  const runs = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, LearningResult[]>;
  for (const seed of plan.seeds) {
    for (const name of names) {
      const result = await learn(name, recipeFor(plan, text.dir, seed, exchanges[name]), plan);
      runs[name].push(result);
      console.error(`seed ${seed}, ${name}: ${result.valLoss.toFixed(4)} after ${result.seconds.toFixed(0)} s`);
    }
  }
  if (!quick) writeFileSync(join(benchmarksFolder, "results", "squinch-loss.svg"), plot(runs));
  return evaluate(runs, plan, { mpi, data: text.tokens, ...describe(recipeFor(plan, text.dir, 1, exchanges.squinch)) });
};

function recipeFor(plan: Plan, dir: string, seed: number, { distributed }: Exchange): Recipe {
  const { hiddenSize, numLayers, steps, warmupSteps } = plan;
  return parseRecipe({
    name: "squinch-loss",
    seed,
    model: learningModel({ vocabSize, hiddenSize, numLayers, maxSeqLen: 128 }),
    data: { dir, seqLen: 128 },
    batchSize: 4,
    steps,
    optim: { lr: 4e-3 },
    schedule: { kind: "wsd", warmupSteps, decaySteps: Math.round(steps / 3) },
    evalEvery: 0,
    evalBatches: 0,
    checkpointEvery: 0,
    threads: 1,
    distributed,
  } satisfies RecipeInput);
}

async function learn(name: Name, recipe: Recipe, { curveEvery, curveBatches }: Plan): Promise<LearningResult> {
  const exchange: Exchange = exchanges[name];
  const run: LearningRun = { recipe, codec: exchange.codec ?? null, curveEvery, curveBatches };
  const [result] = await runRanks(localLaunch(ranks, childProgram("learn-rank"), [JSON.stringify(run)]));
  if (!result) throw new Error(`${name}: the ranks ended without a result`);
  return result as LearningResult;
}

function evaluate(runs: Record<Name, LearningResult[]>, plan: Plan, peers: BenchResult["peers"]): BenchResult {
  const losses = (name: Name) => runs[name].map(({ valLoss }) => valLoss);
  const ratio = (name: Name, reference: Name) => pairedRatio(losses(name), losses(reference));
  const table = names.map((exchange) => {
    const [first] = runs[exchange] as [LearningResult];
    const { mean: valLoss, halfWidth95 } = interval95(losses(exchange));
    const toBf16 = ratio(exchange, "bf16");
    const toFloat32 = ratio(exchange, "float32");
    return {
      exchange,
      valLoss,
      halfWidth95,
      ratioToBf16: toBf16.mean,
      ratioToBf16HalfWidth95: toBf16.halfWidth95,
      ratioToFloat32: toFloat32.mean,
      ratioToFloat32HalfWidth95: toFloat32.halfWidth95,
      bytesSentPerStep: first.bytesSentPerStep,
      skippedSteps: runs[exchange].reduce((sum, { skippedSteps }) => sum + skippedSteps, 0),
      secondsPerRun: mean(runs[exchange].map(({ seconds }) => seconds)),
    };
  });
  const pairs = plan.seeds.map((seed, i) => ({
    seed,
    ...Object.fromEntries(names.map((name) => [name, losses(name)[i] ?? null])),
  }));
  const { mean: lossRatioSquinchToBf16, halfWidth95: lossRatioHalfWidth95 } = ratio("squinch", "bf16");
  const [{ tokens, parameters, valTokens }] = runs.float32 as [LearningResult];
  return {
    rows: [...table, ...pairs, ...curveRows(runs)],
    summary: {
      lossRatioSquinchToBf16,
      lossRatioHalfWidth95,
      lossRatioFeedbackToBf16: ratio("squinchFeedback", "bf16").mean,
      lossRatioAdamToBf16: ratio("squinchAdam", "bf16").mean,
      lossRatioInt4ToBf16: ratio("int4", "bf16").mean,
      seeds: plan.seeds.length,
      tokensPerRun: tokens,
      parameters,
      valTokens,
    },
    peers,
  };
}

/** Mean loss over the seeds at each point of the curve. */
function curveRows(runs: Record<Name, LearningResult[]>) {
  const points = runs.float32[0]?.curve ?? [];
  return points.map(({ step }, i) => ({
    step,
    ...Object.fromEntries(
      names.map((name) => [name, mean(runs[name].map(({ curve }) => curve[i]?.valLoss ?? Number.NaN))]),
    ),
  })) as ({ step: number } & Record<Name, number>)[];
}

function plot(runs: Record<Name, LearningResult[]>): string {
  const rows = curveRows(runs);
  const series = (value: (row: (typeof rows)[number], name: Name) => number) =>
    names.map((name) => ({ name, points: rows.map((row) => [row.step, value(row, name)] as const) }));
  return svgPlot([
    { title: "Validation loss, nats a token", xLabel: "step", series: series((row, name) => row[name]) },
    {
      title: "Above float32, per cent",
      xLabel: "step",
      series: series((row, name) => 100 * (row[name] / row.float32 - 1)),
    },
  ]);
}

function describe({ model, batchSize, data, optim, schedule, steps }: Recipe) {
  return {
    ranks,
    threadsPerRank: 1,
    model,
    batchSize,
    seqLen: data.seqLen,
    steps,
    optim,
    schedule,
    int4: int4Description,
  };
}

const int4Description = `blocks of ${int4Codec.blockLength} with a bfloat16 scale, codes -7 to 7, nearest`;
