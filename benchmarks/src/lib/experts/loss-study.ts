import type { Recipe } from "@cai/trainer";
import { interval95, mean, pairedRatio } from "../intervals.js";
import { reductionExchange } from "../reduction-exchange.js";
import { learnMixture, type MixtureResult } from "./learn-mixture.js";
import { type ExpertPlan, mixtureConfig, ranks } from "./plan.js";

/** Ways of exchanging gradients that a mixture learns with. */
const learners = ["bf16", "squinch", "squinchAdam"] as const;
type Learner = (typeof learners)[number];
export type LossStudy = Readonly<Record<Learner, readonly MixtureResult[]>>;

/** Trains the same mixture on the same data with each exchange, once a seed. */
export function learnWithEach(plan: ExpertPlan, recipeOf: (seed: number) => Recipe): LossStudy {
  const results: Record<Learner, MixtureResult[]> = { bf16: [], squinch: [], squinchAdam: [] };
  for (const seed of plan.seeds) {
    for (const name of learners) {
      const exchange = (length: number) => reductionExchange(name, { ranks, length, seed });
      const result = learnMixture({ config: mixtureConfig(plan), recipe: recipeOf(seed), ranks, exchange });
      results[name].push(result);
      console.error(
        `mixture, seed ${seed}, ${name}: ${result.valLoss.toFixed(4)} after ${result.seconds.toFixed(0)} s`,
      );
    }
  }
  return results;
}

/** Losses relative to bf16's, pair by pair. */
export function lossRatio(study: LossStudy, name: Learner) {
  const losses = (learner: Learner) => study[learner].map(({ valLoss }) => valLoss);
  return pairedRatio(losses(name), losses("bf16"));
}

/** Means over the seeds, then every seed's losses. */
export function lossTables(study: LossStudy, { seeds }: ExpertPlan) {
  const means = learners.map((learner) => {
    const results = study[learner];
    const { mean: valLoss, halfWidth95 } = interval95(results.map((result) => result.valLoss));
    const ratio = lossRatio(study, learner);
    return {
      mixture: learner,
      valLoss,
      halfWidth95,
      ratioToBf16: ratio.mean,
      ratioToBf16HalfWidth95: ratio.halfWidth95,
      smallestExpertShare: Math.min(...results.map(({ smallestShare }) => smallestShare)),
      largestExpertShare: Math.max(...results.map(({ largestShare }) => largestShare)),
      secondsPerRun: mean(results.map(({ seconds }) => seconds)),
    };
  });
  const pairs = seeds.map((seed, i) => ({
    seed,
    ...Object.fromEntries(learners.map((learner) => [learner, study[learner][i]?.valLoss ?? null])),
  }));
  return [...means, ...pairs];
}
