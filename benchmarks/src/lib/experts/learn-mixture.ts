import { type Batch, BatchLoader, evalBatches, type MicroBatch, type Recipe } from "@cai/trainer";
import { learningRate } from "@cai/trainer/parts";
import { type MixtureConfig, MixtureModel } from "../mixture/mixture-model.js";
import { type Exchange, RankGroup } from "../rank-group.js";
import { ExpertCounts } from "./gradient-parts.js";

export interface MixtureRun {
  readonly config: MixtureConfig;
  /** Everything but the model: data, batches, rate, schedule, seed. */
  readonly recipe: Recipe;
  readonly ranks: number;
  readonly exchange: (length: number) => Exchange;
}

export interface MixtureResult {
  /** Over the whole validation split, in nats a token. */
  readonly valLoss: number;
  readonly seconds: number;
  /** Of the last step's rows, the smallest and the largest share that an expert got. */
  readonly smallestShare: number;
  readonly largestShare: number;
}

/** The micro-batches of a step, one a rank, from one stream. */
export function batchesByRank(recipe: Recipe, ranks: number): { next: () => Batch[]; close: () => void } {
  const loader = new BatchLoader({ ...recipe.data, batchSize: recipe.batchSize, seed: recipe.seed });
  return { next: () => Array.from({ length: ranks }, () => loader.next()), close: () => loader.close() };
}

/** Trains a mixture on several ranks' gradients, exchanged in one way, and validates it. */
export function learnMixture({ config, recipe, ranks, exchange }: MixtureRun): MixtureResult {
  const began = performance.now();
  const model = new MixtureModel(config);
  model.parameters.initialise(recipe.seed);
  const counts = new ExpertCounts();
  const group = new RankGroup(model, {
    optim: recipe.optim,
    ranks,
    exchange: exchange(model.parameters.grads.data.length),
  });
  const batches = batchesByRank(recipe, ranks);
  for (let step = 1; step <= recipe.steps; step++) {
    model.onRouting = step === recipe.steps ? counts.add : undefined;
    group.step(batches.next(), learningRate(recipe, step));
  }
  batches.close();
  model.onRouting = undefined;
  const validation: Iterable<MicroBatch> = evalBatches({ ...recipe.data, batchSize: recipe.batchSize });
  const shares = counts.shares().flat();
  return {
    valLoss: group.evaluate(validation),
    seconds: (performance.now() - began) / 1000,
    smallestShare: Math.min(...shares),
    largestShare: Math.max(...shares),
  };
}
