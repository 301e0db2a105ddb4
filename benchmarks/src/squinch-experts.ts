// What does Squinch do to gradients of rarely chosen rows, and over a slow link between two sites? Embedding rows and the
// experts of a top-1 mixture: the quality of what four ranks exchange, the mixture's loss, and step times.
import { availableParallelism } from "node:os";
import { setThreads } from "@cai/native";
import type { Bench } from "./lib/bench.js";
import { learnWithEach, lossRatio, lossTables } from "./lib/experts/loss-study.js";
import { expertPlans, expertRecipe, mixtureConfig, mixtureVocab, ranks } from "./lib/experts/plan.js";
import { denseQuality, mixtureQuality, qualityTable } from "./lib/experts/quality-study.js";
import { measureTwoSites } from "./lib/experts/two-sites.js";
import { requireMpi } from "./lib/mpi-run.js";
import { realText } from "./lib/real-text.js";

const trunkMbit = 100;

export const squinchExperts: Bench = async ({ quick }) => {
  const mpi = await requireMpi();
  setThreads(availableParallelism());
  const plan = quick ? expertPlans.quick : expertPlans.full;
  const text = await realText(mixtureVocab);
  const wideText = await realText(plan.denseVocab);

  const dense = { dir: wideText.dir, vocabSize: plan.denseVocab, steps: plan.denseSteps, seed: 1 };
  const mixture = (seed: number) => ({ dir: text.dir, vocabSize: mixtureVocab, steps: plan.steps, seed });
  const sites = await measureTwoSites({
    trunkMbit,
    rounds: plan.siteRounds,
    stepsPerRound: plan.siteSteps,
    recipe: (distributed) => expertRecipe(plan, { ...dense, distributed }),
  });
  const quality = qualityTable([
    ...denseQuality(plan, expertRecipe(plan, dense)),
    ...mixtureQuality(plan, expertRecipe(plan, mixture(1))),
  ]);
  const study = learnWithEach(plan, (seed) => expertRecipe(plan, mixture(seed)));
  const rare = quality.find(({ part, exchange }) => part.includes("least chosen") && exchange === "squinch");
  const ratio = lossRatio(study, "squinch");
  return {
    rows: [...quality, ...lossTables(study, plan), ...Object.values(sites ?? {})],
    summary: {
      lossRatioSquinchToBf16: ratio.mean,
      lossRatioHalfWidth95: ratio.halfWidth95,
      lossRatioAdamToBf16: lossRatio(study, "squinchAdam").mean,
      snrExpertDb: rare?.snrDb ?? null,
      adamSnrExpertDb: rare?.adamSnrDb ?? null,
      twoSiteStepRatio: sites && sites.squinchTwoLevel.stepTimeMs / sites.bf16TwoLevel.stepTimeMs,
      twoLevelToFlatSquinch: sites && sites.squinchTwoLevel.stepTimeMs / sites.squinchFlat.stepTimeMs,
    },
    peers: { mpi, ranks, trunkMbit, mixture: mixtureConfig(plan), plan, data: text.tokens },
  };
};
