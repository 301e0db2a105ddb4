// What does Squinch do to gradients, plainly and as Adam sees it, beside other codes of few bits? On synthetic values and on
// gradients of every kind of tensor, from runs other than those that its levels were fitted on.
import { choosePolicy } from "@cai/squinch";
import type { Bench } from "./lib/bench.js";
import {
  type GradientQuality,
  type GradientRun,
  gradientQualities,
  inAdamsUnit,
} from "./lib/quality/real-gradients.js";
import { standings } from "./lib/quality/standings.js";
import { type SyntheticFigure, syntheticFigures } from "./lib/quality/synthetic.js";
import { codeRows, kindRows, medianOf, syntheticRows } from "./lib/quality/tables.js";
import { median } from "./lib/statistics.js";

const fullRuns: readonly GradientRun[] = [
  { recipe: "llama-tiny", vocabSize: 4096, seed: 21, steps: 600 },
  { recipe: "gpt2-s", vocabSize: 4096, seed: 22, steps: 600 },
  { recipe: "start", vocabSize: 1024, seed: 23, steps: 600 },
];
const small = ["model.hiddenSize=64", "model.numLayers=2", "data.seqLen=64", "model.maxSeqLen=64"];
const quickRuns: readonly GradientRun[] = [
  { recipe: "gpt2-s", vocabSize: 1024, seed: 22, steps: 30, overrides: [...small, "model.intermediateSize=256"] },
];

export const squinchQuality: Bench = async ({ quick }) => {
  const count = quick ? 32_768 : 524_288;
  const seeds = quick ? [1, 2] : [1, 2, 3, 4, 5];
  const synthetic = syntheticFigures(count, seeds);
  const real: GradientQuality[] = [];
  for (const run of quick ? quickRuns : fullRuns) real.push(...(await gradientQualities(run)));
  const summary = summarise(synthetic, real);
  console.log(`${standings(synthetic, real)}\n`);
  return {
    rows: [...syntheticRows(synthetic), ...codeRows(real), ...kindRows(real)],
    summary,
    peers: {
      int: "blocks of 8 with one 8-bit logarithmic scale, step maxabs / (K + 1/2)",
      mxfp6: "OCP Microscaling Formats (MX) specification 1.0, blocks of 32, E8M0 scale, ties to even, saturating",
      synthetic: {
        count,
        seeds,
        student: "degrees of freedom in the name",
        sigma: "x = exp(sigma n) g, unit exp(sigma n)",
      },
      runs: quick ? quickRuns : fullRuns,
    },
  };
};

function summarise(synthetic: readonly SyntheticFigure[], real: readonly GradientQuality[]) {
  const onSqrt = (distribution: string) =>
    synthetic.find(
      (figure) => figure.code === "squinch sqrt" && figure.distribution === distribution,
    ) as SyntheticFigure;
  const adam = (code: string) => medianOf(real, code, "adamSnrDb");
  const gainOver = (code: string) =>
    median(real.map(({ quality }) => adamDb(quality, code) - adamDb(quality, "squinch sqrt")));
  return {
    snrNormalDb: median(onSqrt("normal").snrDb),
    snrStudentDb: median(onSqrt("student3").snrDb),
    adamSnrSigma1Db: median(onSqrt("sigma1").adamSnrDb),
    realGradientSnrDb: medianOf(real, "squinch sqrt", "snrDb"),
    maxDifferenceToReferenceDb: Math.max(...synthetic.map(({ differenceDb }) => differenceDb ?? 0)),
    realGradientAdamSnrDb: adam("squinch sqrt"),
    realGradientAdamSnrAdamDb: adam("squinch adam"),
    realGradientAdamSnrLloydDb: adam("squinch lloyd"),
    realGradientAdamSnrLloydInUnitDb: adam(inAdamsUnit("squinch lloyd")),
    lloydOverSqrtDb: gainOver("squinch lloyd"),
    lloydInUnitOverSqrtDb: gainOver(inAdamsUnit("squinch lloyd")),
    ...policyFigures(real),
  };
}

/** What the policy comes to, having measured ten steps earlier: over the tensors that it sends by a codebook, and in bits. */
function policyFigures(real: readonly GradientQuality[]) {
  const chosen = real.map((one) => {
    const policy = choosePolicy(new Map([[one.tensor, one.measurement]])).get(one.tensor) ?? "bf16";
    return { one, policy, code: policy === "bf16" ? "bf16" : `squinch ${policy}` };
  });
  const coded = chosen.filter(({ policy }) => policy !== "bf16");
  const share = (policy: string) => chosen.filter((choice) => choice.policy === policy).length / chosen.length;
  const values = chosen.reduce((sum, { one }) => sum + one.length, 0);
  const bits = chosen.reduce((sum, { one, policy }) => sum + one.length * (policy === "bf16" ? 16 : 6), 0);
  return {
    policyAdamSnrDb: median(coded.map(({ one, code }) => adamDb(one.quality, code))),
    policyLeastAdamSnrDb: Math.min(...coded.map(({ one, code }) => adamDb(one.quality, code))),
    policyOverSqrtDb: median(
      coded.map(({ one, code }) => adamDb(one.quality, code) - adamDb(one.quality, "squinch sqrt")),
    ),
    policyBitsPerValue: bits / values,
    ...{ shareSqrt: share("sqrt"), shareAdam: share("adam"), shareLloyd: share("lloyd"), shareBf16: share("bf16") },
  };
}

function adamDb(quality: GradientQuality["quality"], code: string): number {
  return quality.get(code)?.adamSnrDb ?? Number.NaN;
}
