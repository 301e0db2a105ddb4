import {
  type ConversationOptions,
  type ConversationTree,
  conversationRows,
  type PackedRow,
  VisibilityMask,
} from "@cai/visibility-mask";
import type { ConversationDataset } from "../conversation-dataset.js";
import { type MicroBatch, treeBatch } from "../micro-batch.js";
import { GroupRows, type RowGroup } from "./group-rows.js";
import type { RowOptions } from "./row-source.js";

/** A group ends with the tree that brings it to so many tokens: enough to fill rows and to find what conversations share. */
const mostTokens = 2 ** 18;

/** The trees of a corpus from place `first` of an order on that make a group, packed into rows; those without a loss are left out. */
export function planTrees(
  dataset: ConversationDataset,
  first: number,
  treeAt: (place: number) => number,
  options: ConversationOptions,
): RowGroup<PackedRow> {
  const trees: ConversationTree[] = [];
  let tokens = 0;
  while (first + trees.length < dataset.trees && tokens < mostTokens) {
    const tree = dataset.tree(treeAt(first + trees.length));
    trees.push(tree);
    for (const turn of tree.turns) tokens += turn.tokens.length;
  }
  const rows = conversationRows(trees, options).filter(({ weights }) => weights.some((weight) => weight !== 0));
  return { items: trees.length, rows };
}

/** A row of packed conversations as a micro-batch, in new arrays. */
export function treeRow({ tokens, start, limit, positions, parents, weights }: PackedRow): MicroBatch {
  const mask = new VisibilityMask({ start: start.slice(), limit: limit.slice(), positions: positions.slice() });
  return treeBatch(tokens.slice(), mask, parents, weights);
}

/**
 * Rows of conversation trees, packed by `conversationRows`: what the conversations of a group share stands there once.
 *
 * Each epoch takes all trees in an order drawn anew, in groups, the rows of a group in an order drawn anew. A loss token counts
 * once for each conversation through it. Conversations longer than a row are cut. To pass over a row its group is packed, no
 * more.
 *
 * @throws CaiError `E_CONFIG` for a corpus without trees or with nothing to learn, or a state that cannot be.
 */
export class TreeRows extends GroupRows<PackedRow> {
  constructor(dataset: ConversationDataset, options: RowOptions) {
    const { seqLen } = options;
    super(
      {
        corpus: dataset.corpus,
        noun: "trees",
        items: dataset.trees,
        plan: (first, treeAt) => planTrees(dataset, first, treeAt, { seqLen }),
        batchOf: treeRow,
        close: () => dataset.close(),
      },
      options,
    );
  }
}
