// Whether conversations that are merged into trees give the loss and the gradients that they give one by one.
import { Philox } from "@cai/native";
import { randomFloats } from "@cai/test-utils";
import { packConversations, VisibilityMask } from "@cai/visibility-mask";
import { type Conversation, conversationsOf, randomTree } from "./random-trees.js";
import { type LossTerms, lossAndGradients, type SmallBatch, smallWeights, type Weights } from "./small-model.js";

/** Few enough ids for turns to begin alike by chance. */
const vocabSize = 61;
const kinds = (["tokens", "turns", "none"] as const).flatMap((merge) =>
  (["conversation", "token"] as const).map((weighting) => ({ merge, weighting })),
);
type Kind = (typeof kinds)[number];

/** @param cases packings; kinds take turns. */
export function compareTrees(cases: number) {
  const found = Array.from({ length: cases }, (_, index) => {
    const kind = kinds[index % kinds.length] as Kind;
    return { kind, ...compare(index, kind) };
  });
  const most = (values: readonly number[]) => Math.max(...values);
  const rows = kinds.flatMap((kind) => {
    const own = found.filter((one) => one.kind === kind);
    if (own.length === 0) return [];
    const total = (name: "conversations" | "separateTokens" | "used") => own.reduce((sum, one) => sum + one[name], 0);
    return [
      {
        ...kind,
        packings: own.length,
        conversations: total("conversations"),
        separateTokens: total("separateTokens"),
        mergedTokens: total("used"),
        maxLossRelDiff: most(own.map(({ lossRelDiff }) => lossRelDiff)),
        maxGradRelDiff: most(own.map(({ gradRelDiff }) => gradRelDiff)),
      },
    ];
  });
  return { rows, maxRelDiff: most(found.map(({ gradRelDiff }) => gradRelDiff)) };
}

function compare(index: number, { merge, weighting }: Kind) {
  const random = new Philox(index, 2);
  const shape = { turns: 4 + random.below(20), turnTokens: 4 + random.below(20), vocabSize };
  const trees = Array.from({ length: 1 + random.below(4) }, () => randomTree(random, shape));
  const conversations = trees.flatMap(conversationsOf);
  const longest = Math.max(...conversations.map(({ tokens }) => tokens.length));
  // Some trees fit a row, others are split; no conversation is cut.
  const packed = packConversations(trees, { seqLen: longest + random.below(200), merge, weighting });
  const weights = smallWeights(vocabSize, (count, scale) => randomFloats(count, random.uint32(), scale));

  const together = lossAndGradients(weights, { ...packed, ...termsOf(packed) });
  const apart = sumOver(
    weights,
    conversations.map((one) => alone(one, weighting)),
  );
  const { conversations: count, separateTokens, used } = packed;
  return {
    conversations: count,
    separateTokens,
    used,
    lossRelDiff: Math.abs(together.loss - apart.loss) / Math.abs(apart.loss),
    gradRelDiff: Math.max(
      ...Object.entries(together.gradients).map(([name, { data }]) =>
        relativeDifference(data, apart.gradients[name] as Float64Array),
      ),
    ),
  };
}

/** Every token with a weight, predicted by its parent. */
function termsOf(
  packed: Pick<ReturnType<typeof packConversations>, "tokens" | "weights" | "parents" | "seqLen">,
): LossTerms {
  const { tokens, weights, parents, seqLen } = packed;
  const terms = [...tokens.keys()].filter((i) => weights[i] !== 0);
  return {
    rows: Int32Array.from(terms, (i) => i - (i % seqLen) + (parents[i] as number)),
    targets: Int32Array.from(terms, (i) => tokens[i] as number),
    weights: Float32Array.from(terms, (i) => weights[i] as number),
  };
}

/** A conversation by itself, without anything of the packing. */
function alone({ tokens, loss, weight }: Conversation, weighting: Kind["weighting"]): SmallBatch | undefined {
  const terms = [...tokens.keys()].filter((i) => loss[i]);
  if (terms.length === 0) return undefined;
  const each = weighting === "conversation" ? weight / terms.length : weight;
  return {
    tokens: Int32Array.from(tokens),
    mask: VisibilityMask.causal(tokens.length),
    rows: Int32Array.from(terms, (i) => i - 1),
    targets: Int32Array.from(terms, (i) => tokens[i] as number),
    weights: new Float32Array(terms.length).fill(each),
  };
}

function sumOver(weights: Weights, batches: readonly (SmallBatch | undefined)[]) {
  let loss = 0;
  const gradients = Object.fromEntries(
    Object.entries(weights).map(([name, { data }]) => [name, new Float64Array(data.length)]),
  );
  for (const batch of batches) {
    if (!batch) continue;
    const one = lossAndGradients(weights, batch);
    loss += one.loss;
    for (const [name, sum] of Object.entries(gradients)) {
      one.gradients[name]?.data.forEach((value, i) => {
        sum[i] = (sum[i] as number) + value;
      });
    }
  }
  return { loss, gradients };
}

/** ‖actual − expected‖ / ‖expected‖. */
function relativeDifference(actual: Float32Array, expected: Float64Array): number {
  let [difference, size] = [0, 0];
  expected.forEach((value, i) => {
    difference += ((actual[i] as number) - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(difference / size);
}
