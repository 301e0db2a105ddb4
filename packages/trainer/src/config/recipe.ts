import { z } from "zod";
import { choice, flag, folderName, fraction, integer, number, path, positive } from "./fields.js";
import { addRelationIssues } from "./relations.js";

const modelSchema = z.strictObject({
  /** Decides tensor names and config.json, where the model is one of that family. */
  family: choice("llama", "gpt2"),
  vocabSize: integer(2, 1_048_576),
  hiddenSize: integer(1, 65_536),
  numLayers: integer(1, 1000),
  numHeads: integer(1, 1024),
  /** Key-value heads; numHeads when absent, 1 for multi-query attention. */
  numKvHeads: integer(1, 1024).exactOptional(),
  /** Width of a head; hiddenSize / numHeads when absent. */
  headDim: integer(1, 1024).exactOptional(),
  /** Width of the feed-forward layer. */
  intermediateSize: integer(1, 262_144),
  norm: choice("rmsnorm", "layernorm"),
  normEps: positive(1).default(1e-5),
  positions: choice("rotary", "learned"),
  ropeTheta: positive(1e9).default(10_000),
  /** The longest sequence that the model is made for. */
  maxSeqLen: integer(1, 1_048_576),
  activation: choice("relu2", "gelu", "silu-gated"),
  bias: flag(),
  tieEmbeddings: flag(),
  /** Normalises queries and keys, head by head. */
  qkNorm: flag().default(false),
  /** Scores become cap · tanh(score / cap); 0 is off. */
  attentionSoftcap: number(0, 1e6).default(0),
  /** The same for the vocabulary logits; 0 is off. */
  logitSoftcap: number(0, 1e6).default(0),
  /** Positions that a windowed layer sees, itself included; 0 is no window. */
  window: integer(0, 1_048_576).default(0),
  /** Every n-th layer has no window. */
  globalEvery: integer(1, 1000).default(6),
  /** Standard deviation of initial weights. */
  initStd: positive(10).default(0.02),
});

const dataSchema = z.strictObject({
  /** A prepared directory. */
  dir: path(),
  /** Share of each corpus by name, in any unit; by size when absent. */
  weights: z.record(folderName(), number(0, 1e9), { error: "a number for each corpus name" }).exactOptional(),
  /** Tokens in a training row. */
  seqLen: integer(1, 1_048_576),
  /**
   * How text comes into rows: whole documents that don't see each other, as many to a row as fit; one document or piece of
   * it a row; or windows over the stream of all documents, which see each other.
   */
  packing: choice("packed", "padded", "stream").default("packed"),
  /** How conversations come into rows: what several share once, or each by itself. The loss is the same. */
  conversations: choice("merged", "separate").default("merged"),
});

const initSchema = z.strictObject({
  /** A checkpoint, or a run's folder for its newest one. */
  from: path(),
});

const optimSchema = z.strictObject({
  /** Peak learning rate. */
  lr: positive(10),
  /** Last learning rate as a share of the peak. */
  minLrRatio: number(0, 1).default(0.1),
  beta1: fraction().default(0.9),
  beta2: fraction().default(0.95),
  eps: positive(1).default(1e-8),
  weightDecay: number(0, 10).default(0.1),
  /** Largest global gradient norm; 0 is off. */
  gradClip: number(0, 1e6).default(1),
  /** Steps in a row that may be skipped for a gradient that is not finite, before the run stops. */
  maxSkippedSteps: integer(0, 1_000_000).default(10),
});

const scheduleSchema = z.strictObject({
  kind: choice("cosine", "wsd"),
  /** Steps of linear warm-up. */
  warmupSteps: integer(0, 1_000_000_000),
  /** Steps of the last phase of `wsd`; a fifth of all steps when absent. Not for `cosine`. */
  decaySteps: integer(0, 1_000_000_000).exactOptional(),
});

const distributedSchema = z.strictObject({
  /** What gradients travel as between ranks: float32, bf16, or 6 bits by Squinch. */
  exchange: choice("float32", "bf16", "squinch").default("float32"),
  /** Every rank steps all parameters, or the owner of a shard steps it and spreads the result. */
  mode: choice("replicated", "sharded").default("replicated"),
  /** What parameters travel as; only for `sharded`. */
  parameterType: choice("float32", "bf16").default("float32"),
  /** Squinch's decode levels. */
  codebook: choice("sqrt", "adam", "lloyd").default("sqrt"),
  rounding: choice("nearest", "stochastic").default("nearest"),
  /** Adds what an encoding lost to the next step's gradient. */
  errorFeedback: flag().default(false),
  /** Sends a measured gain with each shard, which undoes Squinch's shrinking on average. */
  gain: flag().default(false),
  /** One codec for all tensors, or one chosen for each from its measured quality. */
  policy: choice("uniform", "measured").default("uniform"),
  /** Steps between the measurements of `measured`. */
  policyEvery: integer(1, 1_000_000).default(100),
  /** Float32 gradient that is exchanged at once, in MiB. */
  bucketMiB: positive(65_536).default(4),
  /** 2: exact inside a node, by `exchange` between nodes. */
  levels: integer(1, 2).default(1),
  /** Consecutive ranks that make a node; 0 is by machine. Only for two levels. */
  ranksPerNode: integer(0, 65_536).default(0),
  /** How long a rank may be silent before the others give up, in seconds. */
  timeoutS: positive(86_400).default(60),
  /** Time between signs of life, in seconds. */
  heartbeatS: positive(3600).default(1),
});

const fieldsSchema = z.strictObject({
  name: folderName(),
  seed: integer(0, Number.MAX_SAFE_INTEGER).default(1),
  model: modelSchema,
  /** Whose weights to begin with; random ones when absent. */
  init: initSchema.exactOptional(),
  data: dataSchema,
  /** How several ranks work together; with one, nothing is exchanged. */
  distributed: distributedSchema.prefault({}),
  /** Rows in a micro-batch of one rank. */
  batchSize: integer(1, 65_536),
  /** Micro-batches in a step of one rank. */
  gradAccumSteps: integer(1, 65_536).default(1),
  /** Optimiser steps of the whole run. */
  steps: integer(1, 1_000_000_000),
  optim: optimSchema,
  schedule: scheduleSchema,
  /** Steps between validations; 0 is at the end only. */
  evalEvery: integer(0, 1_000_000_000),
  /** Batches of a validation; 0 is the whole split. */
  evalBatches: integer(0, 1_000_000_000),
  /** Steps between checkpoints; 0 is at the end only. */
  checkpointEvery: integer(0, 1_000_000_000),
  keepCheckpoints: integer(1, 10_000).default(3),
  logEvery: integer(1, 1_000_000).default(1),
  /** Threads of the native ops; 0 is all cores. */
  threads: integer(0, 256).default(0),
  /** Rows of logits that exist at once in the loss. */
  lossChunkRows: integer(1, 16_777_216).default(256),
  /** Columns of logits that exist at once in the loss; 0 is the whole vocabulary. */
  lossChunkVocab: integer(0, 1_048_576).default(0),
});

/** A recipe whose fields are checked one by one, before what follows from others is filled in. */
export type RecipeFields = z.infer<typeof fieldsSchema>;

/**
 * The whole configuration of a run. Unknown fields are errors; every field with a default may be left out. Parsing
 * fills all of them in, those that follow from others too, and the result parses to itself.
 */
export const recipeSchema = fieldsSchema.superRefine(addRelationIssues).transform(fillDerived);

/** What a recipe may be written as: defaults left out. */
export type RecipeInput = z.input<typeof recipeSchema>;

/** A complete recipe: only `init`, `data.weights` and the `decaySteps` of a cosine schedule may be absent. */
export type Recipe = z.infer<typeof recipeSchema>;

/** The field names and their types, for messages and overrides. */
export const recipeFields = fieldsSchema;

function fillDerived(recipe: RecipeFields) {
  const { model, schedule, steps } = recipe;
  return {
    ...recipe,
    model: {
      ...model,
      numKvHeads: model.numKvHeads ?? model.numHeads,
      headDim: model.headDim ?? model.hiddenSize / model.numHeads,
    },
    schedule: schedule.kind === "wsd" ? { ...schedule, decaySteps: defaultDecaySteps(schedule, steps) } : schedule,
  };
}

function defaultDecaySteps(schedule: RecipeFields["schedule"], steps: number): number {
  return schedule.decaySteps ?? Math.min(Math.round(steps / 5), steps - schedule.warmupSteps);
}
