import type { MicroBatch, Recipe } from "@cai/trainer";
import { learningRate, Transformer } from "@cai/trainer/parts";
import { MixtureModel } from "../mixture/mixture-model.js";
import type { LearningModel } from "../rank-group.js";
import { type ExchangeName, reductionExchange } from "../reduction-exchange.js";
import { median } from "../statistics.js";
import { type Capture, type CapturePlan, captureQuality } from "./capture.js";
import { ExpertCounts, embeddingParts, mixtureParts } from "./gradient-parts.js";
import { batchesByRank } from "./learn-mixture.js";
import { type ExpertPlan, mixtureConfig, ranks } from "./plan.js";

const compared: readonly ExchangeName[] = ["bf16", "squinch", "squinchAdam", "squinchStochastic", "int4"];

/** What every exchange makes of the embedding's gradient in a dense model. */
export function denseQuality(plan: ExpertPlan, recipe: Recipe): Capture[] {
  const transformer = new Transformer(recipe.model);
  transformer.parameters.initialise(recipe.seed);
  const { lossChunkRows: chunkRows, lossChunkVocab: chunkVocab } = recipe;
  const model: LearningModel = {
    parameters: transformer.parameters,
    loss: (tape, batch, gradScale) => transformer.loss(tape, batch, { chunkRows, chunkVocab, softcap: 0, gradScale }),
  };
  const parts = (batches: readonly MicroBatch[]) =>
    embeddingParts(transformer.parameters, "model.embed_tokens.weight", batches);
  return capture(recipe, { model, moments: plan.denseMoments, parts });
}

/** What every exchange makes of a mixture's gradients: its experts, routers and attention. */
export function mixtureQuality(plan: ExpertPlan, recipe: Recipe): Capture[] {
  const model = new MixtureModel(mixtureConfig(plan));
  model.parameters.initialise(recipe.seed);
  const counts = new ExpertCounts();
  model.onRouting = counts.add;
  const parts = () => mixtureParts(model.parameters, plan.numLayers, counts);
  return capture(recipe, { model, moments: plan.moments, parts, beforeStep: () => counts.reset() });
}

function capture(
  recipe: Recipe,
  study: Pick<CapturePlan, "model" | "moments" | "parts"> & { beforeStep?: () => void },
): Capture[] {
  const batches = batchesByRank(recipe, ranks);
  const { length } = study.model.parameters.grads.data;
  try {
    return captureQuality({
      ...study,
      optim: recipe.optim,
      ranks,
      steps: recipe.steps,
      nextBatches: () => {
        study.beforeStep?.();
        return batches.next();
      },
      learningRate: (step) => learningRate(recipe, step),
      exchanges: Object.fromEntries(
        compared.map((name) => [name, () => reductionExchange(name, { ranks, length, seed: recipe.seed })]),
      ),
    });
  } finally {
    batches.close();
  }
}

/** The middle one of the moments for each part of the gradients and each exchange. */
export function qualityTable(captures: readonly Capture[]) {
  const parts = [...new Set(captures.map(({ part }) => part))];
  const exchanges = [...new Set(captures.map(({ exchange }) => exchange))];
  return parts.flatMap((part) =>
    exchanges.map((exchange) => {
      const those = captures.filter((one) => one.part === part && one.exchange === exchange);
      const middle = (figure: (one: Capture) => number) => median(those.map(figure));
      return {
        part,
        exchange,
        snrDb: middle(({ snrDb }) => snrDb),
        adamSnrDb: middle(({ adamSnrDb }) => adamSnrDb),
        zeroShare: middle(({ zeroShare }) => zeroShare),
        zeroBias: middle(({ zeroBias }) => zeroBias),
        adamZeroRms: middle(({ adamZeroRms }) => adamZeroRms),
        values: middle(({ values }) => values),
      };
    }),
  );
}
