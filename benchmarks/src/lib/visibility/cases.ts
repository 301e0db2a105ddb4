import { randomFloats, randomInts } from "@cai/test-utils";
import { VisibilityMask } from "@cai/visibility-mask";

/** Who sees whom in one measurement. */
export interface VisibilityCase {
  readonly name: string;
  readonly mask: VisibilityMask;
  /** 0: none. */
  readonly window: number;
}

/** What is measured over `seqLen` tokens: documents and turns of unequal lengths, the same for every run. */
export function visibilityCases(seqLen: number): VisibilityCase[] {
  const packed = (documents: number): VisibilityCase => ({
    name: `packed, ${documents} documents`,
    mask: VisibilityMask.packed(documentLengths(documents, seqLen)),
    window: 0,
  });
  return [
    { name: "causal", mask: VisibilityMask.causal(seqLen), window: 0 },
    packed(8),
    packed(32),
    { name: "tree", mask: VisibilityMask.tree(conversationParents(seqLen)), window: 0 },
    { name: "window 256", mask: VisibilityMask.causal(seqLen), window: 256 },
  ];
}

/**
 * Every tile with the mask applied: every second key of each run of 16 is hidden from everybody and the others are seen
 * by all, so that no run of keys can be skipped, nor be taken as visible throughout. Every one of the T × T cells is then
 * computed and goes through the mask, by the very code that the other cases run.
 */
export function nothingSkipped(seqLen: number): VisibilityMask {
  const hidden = (key: number) => key % 2 === 1;
  return new VisibilityMask({
    start: Int32Array.from({ length: seqLen }, () => 0),
    limit: Int32Array.from({ length: seqLen }, (_, key) => (hidden(key) ? 0 : seqLen)),
  });
}

/** Shares of the square: tiles of 64 x 64 with a visible cell, and visible cells. */
export function visibleShares({ mask, window }: VisibilityCase): { tiles: number; cells: number } {
  const { kinds } = mask.blocks({ queryBlock: 64, keyBlock: 64, window });
  const visible = kinds.reduce((count, kind) => count + Number(kind > 0), 0);
  return { tiles: visible / kinds.length, cells: mask.visibleCells({ window }) / mask.seqLen ** 2 };
}

/** Log-normal lengths (sigma 1) that add up to `total`: a few long documents beside many short ones. */
function documentLengths(count: number, total: number): number[] {
  const weights = randomFloats(count, 20261124 + count).map(Math.exp);
  const sum = weights.reduce((a, b) => a + b);
  let [reached, end] = [0, 0];
  return Array.from(weights, (weight, i) => {
    reached += weight;
    const begin = end;
    // At least a token for this document and for each of those to come.
    end = Math.min(total - (count - 1 - i), Math.max(begin + 1, Math.round((total * reached) / sum)));
    return end - begin;
  });
}

/**
 * Conversations as reply trees, depth-first: turns of a median of 48 tokens (log-normal, sigma 0.8); a turn answers the
 * one before it (six of ten), any of the same branch (three), or begins a new conversation (one).
 */
function conversationParents(seqLen: number): Int32Array {
  const [choices, places] = [randomInts(seqLen, 10, 20261125), randomInts(seqLen, 2 ** 20, 20261126)];
  const lengths = randomFloats(seqLen, 20261127).map((value) => Math.max(1, Math.round(48 * Math.exp(0.8 * value))));
  const parents = new Int32Array(seqLen);
  /** The last token of each turn from the root to the latest one. */
  const branch: number[] = [];
  for (let turn = 0, token = 0; token < seqLen; turn++) {
    const choice = choices[turn] as number;
    if (choice === 9) branch.length = 0;
    else if (choice > 5) branch.length = branch.length && 1 + ((places[turn] as number) % branch.length);
    const end = Math.min(seqLen, token + (lengths[turn] as number));
    for (let i = token; i < end; i++) parents[i] = i === token ? (branch.at(-1) ?? -1) : i - 1;
    branch.push(end - 1);
    token = end;
  }
  return parents;
}
