import {
  type ConversationOptions,
  type ConversationTree,
  type ConversationTurn,
  conversationRows,
  type PackedRow,
  VisibilityMask,
} from "@cai/visibility-mask";
import type { ConversationDataset } from "../conversation-dataset.js";
import { type MicroBatch, treeBatch } from "../micro-batch.js";
import { GroupRows, type RowGroup } from "./group-rows.js";
import type { RowOptions } from "./row-source.js";

/**
 * How conversations come into rows: what several share `merged`, so that it stands there once, or each whole by itself,
 * `separate`. The loss is the same, by more or fewer rows.
 */
export type TreePacking = "merged" | "separate";

/** A group ends with the tree that brings it to so many tokens: enough to fill rows and to find what conversations share. */
const mostTokens = 2 ** 18;

/** The trees of a corpus from place `first` of an order on that make a group, packed into rows; those without a loss are left out. */
export function planTrees(
  dataset: ConversationDataset,
  first: number,
  treeAt: (place: number) => number,
  { separate = false, ...options }: ConversationOptions & { readonly separate?: boolean },
): RowGroup<PackedRow> {
  const group: ConversationTree[] = [];
  let items = 0;
  let tokens = 0;
  while (first + items < dataset.trees && tokens < mostTokens) {
    const tree = dataset.tree(treeAt(first + items));
    for (const one of separate ? conversationsOf(tree) : [tree]) {
      group.push(one);
      for (const turn of one.turns) tokens += turn.tokens.length;
    }
    items++;
  }
  const rows = conversationRows(group, options).filter(({ weights }) => weights.some((weight) => weight !== 0));
  return { items, rows };
}

/** Every path from a root to a turn that nothing answers, as a tree of its own. */
function conversationsOf({ turns }: ConversationTree): ConversationTree[] {
  const parentOf = (i: number) => turns[i]?.parent ?? i - 1;
  const answered = new Set(turns.map((_, i) => parentOf(i)));
  return [...turns.keys()].flatMap((leaf) => {
    if (answered.has(leaf)) return [];
    const path: ConversationTurn[] = [];
    for (let i = leaf; i >= 0; i = parentOf(i)) {
      const { tokens, loss } = turns[i] as ConversationTurn;
      path.push({ tokens, ...(loss !== undefined && { loss }) });
    }
    return [{ turns: path.reverse() }];
  });
}

/** A row of packed conversations as a micro-batch, in new arrays. */
export function treeRow({ tokens, start, limit, positions, parents, weights }: PackedRow): MicroBatch {
  const mask = new VisibilityMask({ start: start.slice(), limit: limit.slice(), positions: positions.slice() });
  return treeBatch(tokens.slice(), mask, parents, weights);
}

/**
 * Rows of conversation trees, packed by `conversationRows`.
 *
 * Each epoch takes all trees in an order drawn anew, in groups, the rows of a group in an order drawn anew. A loss token counts
 * once for each conversation through it. Conversations longer than a row are cut. To pass over a row its group is packed, no
 * more.
 *
 * @throws CaiError `E_CONFIG` for a corpus without trees or with nothing to learn, or a state that cannot be.
 */
export class TreeRows extends GroupRows<PackedRow> {
  constructor(dataset: ConversationDataset, packing: TreePacking, options: RowOptions) {
    const { seqLen } = options;
    const separate = packing === "separate" && ({ separate: true, merge: "none" } as const);
    super(
      {
        corpus: dataset.corpus,
        noun: "trees",
        items: dataset.trees,
        plan: (first, treeAt) => planTrees(dataset, first, treeAt, { seqLen, ...separate }),
        batchOf: treeRow,
        close: () => dataset.close(),
      },
      options,
    );
  }
}
