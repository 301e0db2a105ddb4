import { parseRecipe, type Recipe, type RecipeInput } from "@cai/trainer";
import type { MixtureConfig } from "../mixture/mixture-model.js";

export const ranks = 4;
const seqLen = 128;
export const mixtureVocab = 1024;

/**
 * Fixed before the first run, and never changed in the light of one: a rate of 2e-3 for all, a balance weight of 0.01 as
 * in Switch Transformers, seeds from 1.
 */
export const expertPlans = {
  full: {
    seeds: [1, 2, 3],
    steps: 300,
    warmupSteps: 20,
    moments: [30, 150, 300],
    hiddenSize: 128,
    numLayers: 2,
    numExperts: 16,
    expertSize: 192,
    denseSteps: 60,
    denseMoments: [20, 40, 60],
    denseVocab: 4096,
    siteRounds: 2,
    siteSteps: 8,
  },
  quick: {
    seeds: [1],
    steps: 3,
    warmupSteps: 2,
    moments: [3],
    hiddenSize: 32,
    numLayers: 1,
    numExperts: 4,
    expertSize: 32,
    denseSteps: 2,
    denseMoments: [2],
    denseVocab: 1024,
    siteRounds: 1,
    siteSteps: 2,
  },
};
export type ExpertPlan = (typeof expertPlans)["full"];

export function mixtureConfig({ hiddenSize, numLayers, numExperts, expertSize }: ExpertPlan): MixtureConfig {
  const sizes = { hiddenSize, numLayers, numExperts, expertSize };
  return { ...sizes, vocabSize: mixtureVocab, numHeads: 4, seqLen, balance: 0.01 };
}

interface RecipeParts {
  readonly dir: string;
  readonly vocabSize: number;
  readonly steps: number;
  readonly seed: number;
  readonly distributed?: RecipeInput["distributed"];
}

/**
 * A dense model of the plan's width with an embedding apart from its head, so that the gradients of rows that nobody looks
 * up are zero; a mixture takes data, rate and schedule from it.
 */
export function expertRecipe(plan: ExpertPlan, { dir, vocabSize, steps, seed, distributed }: RecipeParts): Recipe {
  return parseRecipe({
    name: "squinch-experts",
    seed,
    model: {
      family: "llama",
      vocabSize,
      hiddenSize: plan.hiddenSize,
      numLayers: plan.numLayers,
      numHeads: 4,
      intermediateSize: 4 * plan.hiddenSize,
      norm: "rmsnorm",
      positions: "rotary",
      maxSeqLen: seqLen,
      activation: "relu2",
      bias: false,
      tieEmbeddings: false,
    },
    data: { dir, seqLen },
    batchSize: 4,
    steps,
    optim: { lr: 2e-3 },
    schedule: { kind: "wsd", warmupSteps: Math.min(plan.warmupSteps, steps) },
    evalEvery: 0,
    evalBatches: 0,
    checkpointEvery: 0,
    threads: 1,
    ...(distributed && { distributed }),
  } satisfies RecipeInput);
}
