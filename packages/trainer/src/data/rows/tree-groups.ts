import {
  type ConversationOptions,
  type ConversationTree,
  conversationRows,
  type PackedRow,
  VisibilityMask,
} from "@cai/visibility-mask";
import type { ConversationDataset } from "../conversation-dataset.js";
import { type MicroBatch, treeBatch } from "../micro-batch.js";
import type { RowGroup } from "./grouped-rows.js";

/**
 * How conversations come into rows: those that share their beginning `merged` into trees, or each by itself, `separate`. The
 * loss is the same: a token counts once for each conversation through it.
 */
export type TreePacking = "merged" | "separate";

interface TreeGroupOptions extends Pick<ConversationOptions, "seqLen" | "weighting"> {
  /** `given`: shared are the turns that the data say are, and no more. */
  readonly packing: TreePacking | "given";
  /** The number of the tree that comes at a place of the epoch. */
  readonly treeAt: (place: number) => number;
}

/** A group ends when it has so many: enough that hardly a position is left unused, few enough for memory. */
const mostTokens = 2 ** 18;

/** The group that begins at place `first` of an epoch's trees; rows in which nothing is to be learned are left out. */
export function planTrees(dataset: ConversationDataset, first: number, options: TreeGroupOptions): RowGroup<PackedRow> {
  const { packing, treeAt, ...others } = options;
  const group: ConversationTree[] = [];
  let trees = 0;
  let tokens = 0;
  while (first + trees < dataset.trees && tokens < mostTokens) {
    const tree = dataset.tree(treeAt(first + trees));
    for (const one of packing === "separate" ? conversationsOf(tree) : [tree]) {
      group.push(one);
      tokens += one.turns.reduce((sum, turn) => sum + turn.tokens.length, 0);
    }
    trees++;
  }
  const rows = conversationRows(group, { ...others, merge: packing === "merged" ? "tokens" : "none" });
  return { items: trees, rows: rows.filter(({ weights }) => weights.some((weight) => weight !== 0)) };
}

/** A micro-batch of one row. */
export function treeRow({ tokens, start, limit, positions, parents, weights }: PackedRow): MicroBatch {
  return treeBatch(tokens, new VisibilityMask({ start, limit, positions }), parents, weights);
}

/** Every path from the root to a turn that nothing answers. */
function conversationsOf({ turns }: ConversationTree): ConversationTree[] {
  const parentOf = (i: number) => turns[i]?.parent ?? i - 1;
  const answered = new Set(turns.map((_, i) => parentOf(i)));
  return turns.flatMap((_, leaf) => {
    if (answered.has(leaf)) return [];
    const path: number[] = [];
    for (let i = leaf; i >= 0; i = parentOf(i)) path.unshift(i);
    return [{ turns: path.map((i, at) => ({ ...turns[i], parent: at - 1 }) as ConversationTree["turns"][number]) }];
  });
}
