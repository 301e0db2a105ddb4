// What do packed rows come to beside padding and naive concatenation: in positions used, in speed, in what is learned?
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseRecipe, type Recipe, type RecipeInput } from "@cai/trainer";
import type { Bench } from "./lib/bench.js";
import { interval95, mean, pairedRatio } from "./lib/intervals.js";
import { learningModel } from "./lib/models.js";
import { fillOf, shareToLongest } from "./lib/packing/fill.js";
import { type LearningPoint, PackingLearner } from "./lib/packing/learner.js";
import { documentLengths, lengthsOf, type PackingText, packingText } from "./lib/packing/text.js";
import { threadSavings } from "./lib/packing/threads.js";
import { repositoryRoot } from "./lib/paths.js";
import { interleave, median } from "./lib/statistics.js";
import { svgPlot } from "./lib/svg-plot.js";

/** By what the trainer calls them: naive concatenation is windows over the stream. */
const packings = { packed: "packed", padded: "padded", concatenated: "stream" } as const;
type Name = keyof typeof packings;
const names = Object.keys(packings) as Name[];

const vocabSize = 2048;
const seqLen = 1024;

/**
 * Fixed before the first run: the architecture of the recipe `start` at half its width and two thirds of its depth, its
 * rate, and seeds that no pilot had. A step has about as many loss tokens in all three, so the padded one needs more rows for it.
 */
const plans = {
  full: {
    seeds: [11, 12, 13],
    steps: 300,
    warmupSteps: 20,
    tokensPerStep: 4096,
    hiddenSize: 128,
    numLayers: 4,
    curveEvery: 30,
    curveBatches: 12,
    speedRounds: 20,
  },
  quick: {
    seeds: [1],
    steps: 4,
    warmupSteps: 2,
    tokensPerStep: 2048,
    hiddenSize: 32,
    numLayers: 2,
    curveEvery: 2,
    curveBatches: 2,
    speedRounds: 2,
  },
};
type Plan = (typeof plans)["full"];

interface Learned {
  readonly valLoss: number;
  readonly tokens: number;
  readonly positions: number;
  readonly seconds: number;
  readonly curve: readonly LearningPoint[];
}

export const visibilityPacking: Bench = async ({ quick }) => {
  const plan = quick ? plans.quick : plans.full;
  const text = await packingText(vocabSize);
  const fills = fillRows(text);
  const threads = await threadSavings(text.apart, seqLen);
  const speeds = await measureSpeeds(plan, text.mixed);
  const runs = byName((): Learned[] => []);
  for (const seed of plan.seeds) {
    for (const name of names) {
      const learned = learn(plan, recipeFor(plan, text.mixed, seed, name));
      runs[name].push(learned);
      console.error(`seed ${seed}, ${name}: ${learned.valLoss.toFixed(4)} after ${learned.seconds.toFixed(0)} s`);
    }
  }
  if (!quick) writeFileSync(join(repositoryRoot, "packages/visibility-mask/packing.svg"), plot(runs, speeds));

  const losses = (name: Name) => runs[name].map(({ valLoss }) => valLoss);
  const toPadding = (name: Name) => pairedRatio(losses(name), losses("padded"));
  const fill = (packing: Name) => fills.find((row) => row.corpus === "both" && row.packing === packing)?.usedShare;
  return {
    rows: [
      ...lengthRows(text),
      ...fills,
      { trees: "mail threads", ...threads },
      ...names.map((packing) => ({ packing, ...outcome(runs[packing], plan), ...rateOf(speeds[packing]) })),
      ...curveRows(runs),
    ],
    summary: {
      usedShare: fill("packed") ?? null,
      usedSharePadding: fill("padded") ?? null,
      tokensPerSecondRatioToPadding: median(speeds.packed) / median(speeds.padded),
      tokensPerSecondRatioToConcatenation: median(speeds.packed) / median(speeds.concatenated),
      lossRatioToPadding: toPadding("packed").mean,
      lossRatioToPaddingHalfWidth95: toPadding("packed").halfWidth95,
      lossRatioConcatenationToPadding: toPadding("concatenated").mean,
      lossRatioConcatenationToPaddingHalfWidth95: toPadding("concatenated").halfWidth95,
      treeTokensSaved: threads.tokensSaved,
      seeds: plan.seeds.length,
      tokensPerRun: mean(runs.packed.map(({ tokens }) => tokens)),
    },
    peers: {
      text: text.tokens,
      padded: "one document or piece a row; padding is computed in all layers and in the loss, attention skips it",
      concatenated: "windows over the stream of documents, which see each other",
      validation: "the same packed rows of documents that don't see each other, for all three",
      ...describe(recipeFor(plan, text.mixed, 1, "packed"), plan),
    },
  };
};

function recipeFor(plan: Plan, dir: string, seed: number, name: Name): Recipe {
  const { hiddenSize, numLayers, steps, warmupSteps } = plan;
  return parseRecipe({
    name: "visibility-packing",
    seed,
    model: learningModel({ vocabSize, hiddenSize, numLayers, maxSeqLen: seqLen }),
    data: { dir, seqLen, packing: packings[name] },
    batchSize: 2,
    steps,
    optim: { lr: 4e-3 },
    schedule: { kind: "wsd", warmupSteps, decaySteps: Math.round(steps / 3) },
    evalEvery: 0,
    evalBatches: 0,
    checkpointEvery: 0,
  } satisfies RecipeInput);
}

function learn(plan: Plan, recipe: Recipe): Learned {
  const began = performance.now();
  const learner = new PackingLearner(recipe, plan.tokensPerStep);
  const curve: LearningPoint[] = [];
  for (let step = 1; step <= plan.steps; step++) {
    learner.step();
    const { tokens } = learner;
    if (step % plan.curveEvery === 0) curve.push({ tokens, valLoss: learner.validate(plan.curveBatches) });
  }
  const valLoss = learner.validate();
  const { tokens, positions } = learner;
  learner.close();
  return { valLoss, tokens, positions, curve, seconds: (performance.now() - began) / 1000 };
}

/** Loss tokens a second of steps that the three take in turn, reading of data included. */
async function measureSpeeds(plan: Plan, dir: string): Promise<Record<Name, number[]>> {
  const learners = byName((name) => new PackingLearner(recipeFor(plan, dir, 1, name), plan.tokensPerStep));
  const timed = (learner: PackingLearner) => () => {
    const began = performance.now();
    const tokens = learner.step();
    return (1000 * tokens) / (performance.now() - began);
  };
  const contestants = byName((name) => timed(learners[name]));
  await interleave(contestants, 2);
  const speeds = await interleave(contestants, plan.speedRounds);
  for (const learner of Object.values(learners)) learner.close();
  return speeds;
}

function lengthRows({ apart, mixed }: PackingText) {
  const corpora = [
    [apart, "mails"],
    [apart, "paragraphs"],
    [mixed, "both"],
  ] as const;
  return corpora.map(([dir, corpus]) => ({ lengthsOf: corpus, ...documentLengths(dir, corpus, seqLen) }));
}

function fillRows(text: PackingText) {
  return [text.apart, text.apart, text.mixed].flatMap((dir, i) => {
    const corpus = ["mails", "paragraphs", "both"][i] as string;
    const lengths = lengthsOf(dir, corpus);
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    return [
      ...names.map((packing) => ({
        corpus,
        packing,
        ...fillOf(dir, corpus, { packing: packings[packing], seqLen, tokens }),
      })),
      { corpus, packing: "padded to the longest of 8", usedShare: shareToLongest(lengths, seqLen, 8) },
    ];
  });
}

function outcome(runs: readonly Learned[], { steps }: Plan) {
  const { mean: valLoss, halfWidth95 } = interval95(runs.map((run) => run.valLoss));
  const each = (value: (run: Learned) => number) => mean(runs.map(value));
  return {
    valLoss,
    halfWidth95,
    lossTokens: each(({ tokens }) => tokens),
    lossTokensPerStep: each(({ tokens }) => tokens / steps),
    positionsPerStep: each(({ positions }) => positions / steps),
  };
}

function rateOf(speeds: readonly number[]) {
  return { tokensPerSecond: median(speeds) };
}

/** Mean over the seeds at each point of the curve. */
function curveRows(runs: Record<Name, Learned[]>) {
  const points = runs.packed[0]?.curve ?? [];
  return points.map((_, i) => {
    const at = (name: Name, field: keyof LearningPoint) =>
      mean(runs[name].map(({ curve }) => (curve[i] as LearningPoint)[field]));
    return { tokens: at("packed", "tokens"), ...byName((name) => at(name, "valLoss")) };
  });
}

function plot(runs: Record<Name, Learned[]>, speeds: Record<Name, number[]>): string {
  const rows = curveRows(runs);
  const series = (x: (tokens: number, name: Name) => number) =>
    names.map((name) => ({ name, points: rows.map((row) => [x(row.tokens, name), row[name]] as const) }));
  const title = "Validation loss, nats a token";
  return svgPlot([
    { title, xLabel: "million loss tokens", series: series((tokens) => tokens / 1e6) },
    {
      title,
      xLabel: "seconds, at the speeds measured",
      series: series((tokens, name) => tokens / median(speeds[name])),
    },
  ]);
}

function byName<Value>(value: (name: Name) => Value): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, Value>;
}

function describe({ model, batchSize, optim, schedule }: Recipe, { steps, tokensPerStep }: Plan) {
  return { model, seqLen, rowsPerMicroBatch: batchSize, tokensPerStep, steps, optim, schedule };
}
