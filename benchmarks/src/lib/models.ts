import { type Recipe, type RecipeInput, recipeByName, resolveRecipe } from "@cai/trainer";

/** A model of the train and parity benches, as both sides understand it. */
export interface BenchModel {
  readonly size: "S" | "M";
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly context: number;
  readonly batch: number;
  readonly vocab: number;
}

const recipeNames = { S: "gpt2-s", M: "gpt2-m" } as const;

/** Same update on both sides: a constant rate, decay on matrices, no clipping. */
const optimiser = { lr: 3e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, gradClip: 0 };

/** Our recipe of a size with the benches' optimiser. */
export function benchRecipe(size: BenchModel["size"]): Recipe {
  const overrides = Object.entries(optimiser).map(([name, value]) => `optim.${name}=${value}`);
  return resolveRecipe(recipeByName(recipeNames[size], { dataDir: "." }), overrides);
}

/** The model that a recipe describes, for a peer. */
export function benchModel(size: BenchModel["size"]): BenchModel {
  const { model, data, batchSize } = benchRecipe(size);
  return {
    size,
    layers: model.numLayers,
    heads: model.numHeads,
    width: model.hiddenSize,
    context: data.seqLen,
    batch: batchSize,
    vocab: model.vocabSize,
  };
}

/**
 * The model of the squinch-network bench, one thread a rank: 7.19 million parameters, for which bf16 takes 0.69 s between
 * four ranks at 250 Mbit/s.
 *
 * @param distributed over the recipe's own section.
 */
export function networkRecipe(distributed: Readonly<Record<string, string | number>>): Recipe {
  const overrides = Object.entries(distributed).map(([name, value]) => `distributed.${name}=${value}`);
  const model = ["hiddenSize=384", "numHeads=6"].map((override) => `model.${override}`);
  return resolveRecipe(recipeByName("gpt2-s", { dataDir: "." }), [...model, ...overrides, "batchSize=2", "threads=1"]);
}

/** The model of benches about learning: the architecture of the recipe `start` in another size, without a window. */
export function learningModel(
  size: Pick<RecipeInput["model"], "vocabSize" | "hiddenSize" | "numLayers" | "maxSeqLen">,
): RecipeInput["model"] {
  return {
    ...size,
    family: "llama",
    numHeads: 4,
    numKvHeads: 1,
    intermediateSize: 4 * size.hiddenSize,
    norm: "rmsnorm",
    positions: "rotary",
    activation: "relu2",
    bias: false,
    tieEmbeddings: true,
  };
}
