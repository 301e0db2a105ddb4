import fc from "fast-check";
import { type ConversationOptions, type ConversationTree, cutDocument, type PackedBatch } from "../../src/index.js";
import { lossAndGradient, type ModelRow, vocabSize } from "./tiny-model.js";

/** A path of a tree, all by itself. */
export interface Conversation {
  tokens: number[];
  /** What predicting each token counts. */
  weights: number[];
}

/** Every conversation of some trees as it is without merging, by the rules of weighting and of what is too long. */
export function conversationsOf(trees: readonly ConversationTree[], options: ConversationOptions): Conversation[] {
  return trees.flatMap((tree) => {
    const parents = tree.turns.map((turn, i) => turn.parent ?? i - 1);
    const leaves = parents.map((_, i) => i).filter((i) => !parents.includes(i));
    return leaves
      .map((leaf) => conversationTo(tree, parents, leaf, options))
      .filter(({ tokens }) => options.tooLong !== "drop" || tokens.length <= options.seqLen);
  });
}

function conversationTo(
  tree: ConversationTree,
  parents: number[],
  leaf: number,
  options: ConversationOptions,
): Conversation {
  const path: number[] = [];
  for (let turn = leaf; turn >= 0; turn = parents[turn] as number) path.unshift(turn);
  let tokens: number[] = [];
  let losses: number[] = [];
  for (const index of path) {
    const { tokens: ids, loss = true } = tree.turns[index] as ConversationTree["turns"][number];
    tokens.push(...Array.from(ids));
    losses.push(...Array.from(ids, (_, i) => Number(typeof loss === "boolean" ? loss : loss[i])));
  }
  if (options.tooLong === "truncate") {
    tokens = tokens.slice(0, options.seqLen);
    losses = losses.slice(0, options.seqLen);
  }
  losses[0] = 0;
  const sum = losses.reduce((total, loss) => total + loss, 0);
  const weight = (tree.weight ?? 1) / (options.weighting === "conversation" ? sum || 1 : 1);
  return { tokens, weights: tokens.map((_, i) => weight * (losses[i] as number)) };
}

/** A conversation as rows for a model: one, or its pieces when it is longer than a row. */
export function rowsOf({ tokens, weights }: Conversation, { seqLen, overlap = 1 }: ConversationOptions): ModelRow[] {
  return cutDocument(tokens.length, seqLen, { overlap }).map(({ from, length, repeated }) => ({
    tokens: tokens.slice(from, from + length),
    positions: Array.from({ length }, (_, i) => i),
    parents: Array.from({ length }, (_, i) => i - 1),
    weights: weights.slice(from, from + length).map((weight, i) => (i < repeated ? 0 : weight)),
    sees: (query, key) => key <= query,
  }));
}

/** The rows of a packed batch, their padding left out. */
export function rowsIn(packed: PackedBatch): ModelRow[] {
  return Array.from({ length: packed.batchSize }, (_, row) => {
    const from = row * packed.seqLen;
    let used = packed.seqLen;
    while (used > 0 && packed.mask.limit[from + used - 1] === 0) used--;
    const part = (array: Int32Array | Float32Array) => array.subarray(from, from + used);
    return {
      tokens: part(packed.tokens),
      positions: part(packed.positions),
      parents: part(packed.parents),
      weights: part(packed.weights),
      sees: (query, key) => packed.mask.isVisible(query, key, { row }),
    };
  });
}

/** Sums of loss and gradient over rows. */
export function sumOver(rows: readonly ModelRow[]): number[] {
  const total: number[] = [];
  for (const row of rows) {
    const { loss, gradient } = lossAndGradient(row);
    [loss, ...gradient].forEach((value, i) => {
      total[i] = (total[i] ?? 0) + value;
    });
  }
  return total;
}

const token = fc.nat({ max: vocabSize - 1 });
/** Turns of few tokens of a small vocabulary, so that much is shared; some empty, some without loss, some with it in part. */
const turn = fc.record({
  tokens: fc.array(token, { maxLength: 6 }),
  parent: fc.nat(),
  loss: fc.oneof(fc.constant(undefined), fc.boolean(), fc.array(fc.nat({ max: 3 }), { minLength: 6, maxLength: 6 })),
});

export const tree: fc.Arbitrary<ConversationTree> = fc
  .record({
    turns: fc.array(turn, { minLength: 1, maxLength: 7 }),
    weight: fc.constantFrom(undefined, 1, 2, 3, 0),
    chained: fc.boolean(),
  })
  .map(({ turns, weight, chained }) => ({
    turns: turns.map(({ tokens, parent, loss }, i) => ({
      tokens: i % 2 ? tokens : Int32Array.from(tokens),
      // Half the trees with a parent by default, half with any earlier turn or none.
      ...(chained && parent % 3 ? {} : { parent: (parent % (i + 1)) - 1 }),
      ...(loss !== undefined && { loss: Array.isArray(loss) ? loss.slice(0, tokens.length) : loss }),
    })),
    ...(weight !== undefined && { weight }),
  }));

export const trees: fc.Arbitrary<ConversationTree[]> = fc.array(tree, { minLength: 1, maxLength: 6 });
