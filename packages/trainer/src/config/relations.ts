import type { z } from "zod";
import type { RecipeFields } from "./recipe.js";

type Report = (field: string, expected: string, got: unknown) => void;

/** Adds an issue for each pair of fields that are right by themselves but not together. */
export function addRelationIssues(recipe: RecipeFields, context: z.RefinementCtx): void {
  const report: Report = (field, expected, got) =>
    context.addIssue({ code: "custom", path: field.split("."), message: expected, input: got });
  checkHeads(recipe, report);
  checkSizes(recipe, report);
  checkSchedule(recipe, report);
  checkDistributed(recipe, report);
}

function checkHeads({ model }: RecipeFields, report: Report): void {
  const { hiddenSize, numHeads, numKvHeads, headDim, positions } = model;
  if (headDim === undefined && hiddenSize % numHeads !== 0) {
    report("model.numHeads", `a divisor of model.hiddenSize (${hiddenSize}), or model.headDim set`, numHeads);
    return;
  }
  if (numKvHeads !== undefined && numHeads % numKvHeads !== 0) {
    report("model.numKvHeads", `a divisor of model.numHeads (${numHeads})`, numKvHeads);
  }
  const width = headDim ?? hiddenSize / numHeads;
  if (positions === "rotary" && width % 2 !== 0) {
    const expected = "an even number for rotary positions";
    report(
      "model.headDim",
      headDim === undefined ? `${expected} (hiddenSize / numHeads when not set)` : expected,
      width,
    );
  }
}

function checkSizes({ model, data, lossChunkVocab }: RecipeFields, report: Report): void {
  if (data.seqLen > model.maxSeqLen) {
    report("data.seqLen", `at most model.maxSeqLen (${model.maxSeqLen})`, data.seqLen);
  }
  if (lossChunkVocab > model.vocabSize) {
    report("lossChunkVocab", `at most model.vocabSize (${model.vocabSize})`, lossChunkVocab);
  }
  if (data.weights && !Object.values(data.weights).some((weight) => weight > 0)) {
    report("data.weights", "at least one weight above 0", data.weights);
  }
}

function checkSchedule({ steps, schedule }: RecipeFields, report: Report): void {
  const { kind, warmupSteps, decaySteps } = schedule;
  if (warmupSteps > steps) {
    report("schedule.warmupSteps", `at most steps (${steps})`, warmupSteps);
    return;
  }
  if (decaySteps === undefined) return;
  if (kind === "cosine") {
    report("schedule.decaySteps", "no value, since schedule.kind cosine decays over all steps", decaySteps);
  } else if (warmupSteps + decaySteps > steps) {
    const room = steps - warmupSteps;
    report("schedule.decaySteps", `at most ${room} (steps ${steps} less warmupSteps ${warmupSteps})`, decaySteps);
  }
}

function checkDistributed({ distributed }: RecipeFields, report: Report): void {
  const { exchange, mode, levels, rounding, timeoutS, heartbeatS } = distributed;
  const only = (field: keyof typeof distributed, neutral: unknown, holds: boolean, when: string) => {
    if (holds || distributed[field] === neutral) return;
    report(`distributed.${field}`, `${neutral} unless ${when}`, distributed[field]);
  };
  const squinch = exchange === "squinch";
  const bySquinch = "distributed.exchange is squinch";
  only("codebook", "sqrt", squinch, bySquinch);
  only("rounding", "nearest", squinch, bySquinch);
  only("gain", false, squinch, bySquinch);
  only("gain", false, rounding === "nearest", "distributed.rounding is nearest: stochastic rounding needs no gain");
  only("policy", "uniform", squinch, bySquinch);
  only(
    "errorFeedback",
    false,
    exchange !== "float32",
    "distributed.exchange is bf16 or squinch: float32 loses nothing",
  );
  only("parameterType", "float32", mode === "sharded", "distributed.mode is sharded");
  only("ranksPerNode", 0, levels === 2, "distributed.levels is 2");
  const whole = "distributed.mode is replicated: a shard's owner would be one rank of one node";
  only("levels", 1, mode === "replicated", whole);
  if (3 * heartbeatS > timeoutS) {
    report("distributed.heartbeatS", `at most a third of distributed.timeoutS (${timeoutS})`, heartbeatS);
  }
}
