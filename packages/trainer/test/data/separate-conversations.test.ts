import { join } from "node:path";
import type { ConversationTree } from "@cai/visibility-mask";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BatchLoader,
  type BatchLoaderOptions,
  ConversationDataset,
  type MicroBatch,
  prepareCorpora,
} from "../../src/data/index.js";
import { expectCaiError, makeTrees, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();
const dir = join(folder, "chats");
const chats = { kind: "conversations", name: "chats", conversations: () => makeTrees(40) } as const;
beforeAll(async () => {
  await prepareCorpora({ corpora: [chats], outDir: dir, vocabSize: 300, valFraction: 0.2 });
});

/** Enough that no conversation is cut. */
const longEnough = 1100;
const options = { dir, batchSize: 1, seqLen: longEnough, seed: 5 };
const ways = ["merged", "separate"] as const;

function open<T>(changed: Partial<BatchLoaderOptions>, use: (loader: BatchLoader) => T): T {
  const loader = new BatchLoader({ ...options, ...changed });
  try {
    return use(loader);
  } finally {
    loader.close();
  }
}

const epoch = (changed: Partial<BatchLoaderOptions>) =>
  open(changed, (loader) => {
    const list: MicroBatch[] = [];
    while (loader.state.corpora[0]?.rows.epoch === 0) list.push(loader.next());
    return list;
  });

function add(sums: Map<string, number>, context: readonly number[], target: number, weight: number): void {
  const term = `${context.join(" ")}: ${target}`;
  sums.set(term, (sums.get(term) ?? 0) + weight);
}

/** What is learned: the weight of each target behind all that its predictor sees. */
function termsOf(list: readonly MicroBatch[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { tokens, mask, targets, rows, weights } of list) {
    targets.forEach((target, i) => {
      const query = rows?.[i] as number;
      const seen = tokens.filter((_, key) => key <= query && mask.isVisible(query, key));
      add(sums, [...seen], target, weights?.[i] as number);
    });
  }
  return sums;
}

function everyTree(): ConversationTree[] {
  const dataset = ConversationDataset.open(dir, "chats", "train");
  const trees = Array.from({ length: dataset.trees }, (_, i) => dataset.tree(i));
  dataset.close();
  return trees;
}

/** The same from the definition: every conversation by itself. */
function expectedTerms(): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { turns } of everyTree()) {
    const isLeaf = (i: number) => !turns.some(({ parent }) => parent === i);
    for (const leaf of turns.keys()) {
      if (!isLeaf(leaf)) continue;
      const path: number[] = [];
      for (let i = leaf; i >= 0; i = turns[i]?.parent as number) path.unshift(i);
      const tokens: number[] = [];
      for (const i of path) {
        const { tokens: own, loss } = turns[i] as ConversationTree["turns"][number];
        for (let k = 0; k < own.length; k++) {
          if (loss && (loss as ArrayLike<number>)[k]) add(sums, tokens, own[k] as number, 1);
          tokens.push(own[k] as number);
        }
      }
    }
  }
  return sums;
}

describe("rows of conversations, merged and separate,", () => {
  it.each(ways)("learn from every conversation what it says to its end, %s", (conversations) => {
    expect(termsOf(epoch({ conversations }))).toEqual(expectedTerms());
  });

  it("are fewer when conversations are merged", () => {
    const [merged, separate] = ways.map((conversations) => epoch({ conversations, seqLen: 200 }).length);
    expect(merged as number).toBeLessThan(0.9 * (separate as number));
  });

  it("refuse a state of the other", async () => {
    const state = open({}, (loader) => loader.state);
    await expectCaiError(
      () => open({ state, conversations: "separate" }, () => {}),
      "E_CONFIG",
      "conversations merged, now it is separate",
    );
  });
});
