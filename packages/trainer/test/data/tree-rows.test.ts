import { join } from "node:path";
import type { ConversationTree } from "@cai/visibility-mask";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BatchLoader,
  type BatchLoaderOptions,
  ConversationDataset,
  evalBatches,
  type LoaderState,
  type MicroBatch,
  prepareCorpora,
  readManifest,
} from "../../src/data/index.js";
import { expectCaiError, makeDocuments, makeTrees, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();
const dir = join(folder, "chats");
const mixed = join(folder, "mixed");
const chats = { kind: "conversations", name: "chats", conversations: () => makeTrees(40) } as const;
beforeAll(async () => {
  const settings = { vocabSize: 300, valFraction: 0.2 };
  await prepareCorpora({ corpora: [chats], outDir: dir, ...settings });
  const texts = { name: "texts", documents: () => makeDocuments(60) };
  await prepareCorpora({ corpora: [texts, chats], outDir: mixed, ...settings });
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

const batches = (count: number, changed: Partial<BatchLoaderOptions>) =>
  open(changed, (loader) => ({ list: Array.from({ length: count }, () => loader.next()), state: loader.state }));

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

describe("rows of conversations", () => {
  it.each(ways)("learn from every conversation what it says to its end, %s", (conversations) => {
    expect(termsOf(epoch({ conversations }))).toEqual(expectedTerms());
  });

  it("are fewer when conversations are merged", () => {
    const [merged, separate] = ways.map((conversations) => epoch({ conversations, seqLen: 200 }).length);
    expect(merged as number).toBeLessThan(0.9 * (separate as number));
  });

  it("come in another order in each epoch and for each seed", () => {
    const rows = epoch({}).length;
    const { list } = batches(2 * rows, {});
    expect(list.slice(rows)).not.toEqual(list.slice(0, rows));
    expect(batches(rows, { seed: 6 }).list).not.toEqual(list.slice(0, rows));
    expect(batches(2 * rows, {}).list).toEqual(list);
  });

  it("go on after any number of batches as if they had never stopped, texts among them or not", () => {
    const choices = fc.record({
      dir: fc.constantFrom(dir, mixed),
      conversations: fc.constantFrom(...ways),
      seqLen: fc.integer({ min: 2, max: 300 }),
      batchSize: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(choices, fc.nat(30), (chosen, stop) => {
        const whole = batches(stop + 4, chosen).list;
        const state = JSON.parse(JSON.stringify(batches(stop, chosen).state)) as LoaderState;
        const skipped = open(chosen, (loader) => {
          for (let i = 0; i < stop; i++) loader.skip();
          return loader.state;
        });
        expect(skipped).toEqual(state);
        expect(batches(4, { ...chosen, state }).list).toEqual(whole.slice(stop));
      }),
      { numRuns: 8 },
    );
  });

  it("refuse a state of other rows", async () => {
    const { state } = batches(3, {});
    await expectCaiError(
      () => batches(1, { state, conversations: "separate" }),
      "E_CONFIG",
      "conversations merged, now it is separate",
    );
    const [corpus] = state.corpora;
    const rows = { epoch: 0, items: 1000, row: 0 };
    const wrong = { ...state, corpora: [{ ...corpus, rows }] } as LoaderState;
    await expectCaiError(() => batches(1, { state: wrong }), "E_CONFIG", "trees, got 1000 before the next");
  });
});

describe("a corpus of several groups of conversations", () => {
  const many = join(folder, "many");
  beforeAll(async () => {
    const conversations = () => makeTrees(900, 250);
    const settings = { vocabSize: 300, valFraction: 0, tokenizerSampleBytes: 50_000 };
    await prepareCorpora({ corpora: [{ ...chats, conversations }], outDir: many, ...settings });
  });

  it("learns its conversations' loss tokens once for each conversation in each epoch, every row something", () => {
    const expected = makeTrees(900, 250).reduce((sum, { turns }) => {
      // A turn counts its stop and its text for every turn below it, or itself, that nothing answers.
      const leaves = turns.map((_, i): number => (turns.some(({ parent }) => parent === i) ? 0 : 1));
      for (let i = turns.length - 1; i > 0; i--) {
        const parent = turns[i]?.parent as number;
        leaves[parent] = (leaves[parent] as number) + (leaves[i] as number);
      }
      return sum + turns.reduce((stops, { role }, i) => stops + (role === "assistant" ? (leaves[i] as number) : 0), 0);
    }, 0);
    open({ dir: many, seqLen: 1000 }, (loader) => {
      for (const epoch of [0, 1]) {
        let stops = 0;
        const groups = new Set<number>();
        while (loader.state.corpora[0]?.rows.epoch === epoch) {
          groups.add(loader.state.corpora[0].rows.items as number);
          const { targets, weights, lossWeight } = loader.next();
          expect(lossWeight).toBeGreaterThan(0);
          targets.forEach((target, i) => {
            if (target === 0) stops += weights?.[i] as number;
          });
        }
        expect(groups.size).toBeGreaterThan(1);
        expect(stops).toBe(expected);
      }
    });
  });

  it("goes on in any of them", () => {
    const changed = { dir: many, seqLen: 200, batchSize: 5 };
    open(changed, (loader) => {
      for (let stride = 0; stride < 4; stride++) {
        for (let i = 0; i < 97; i++) loader.skip();
        const { state } = loader;
        expect(batches(1, { ...changed, state }).list).toEqual([loader.next()]);
      }
    });
  });

  it("is refused when nothing in it is to be learned, instead of searched for ever", async () => {
    const silent = join(folder, "silent");
    await prepareCorpora({ corpora: [chats], outDir: silent, vocabSize: 300, valFraction: 0, lossRoles: ["tool"] });
    await expectCaiError(() => batches(1, { dir: silent }), "E_CONFIG", "chats", "something to learn");
  });
});

describe("evalBatches over conversations", () => {
  it.each([longEnough, 24])("has every token that is to be learned as a target once, in rows of %i", (seqLen) => {
    const { splits } = readManifest(dir).corpora[0] as { splits: { val: { lossTokens?: number } } };
    const all = [...evalBatches({ dir, batchSize: 2, seqLen })];
    expect(all.reduce((sum, { lossTokens }) => sum + lossTokens, 0)).toBe(splits.val.lossTokens);
    for (const { weights, lossTokens, lossWeight } of all) {
      expect(weights?.every((weight) => weight === 1)).toBe(true);
      expect(lossWeight).toBe(lossTokens);
    }
  });

  it("goes over texts and conversations, a corpus after the other", () => {
    const names = [...evalBatches({ dir: mixed, batchSize: 2, seqLen: 64 })].map(({ corpus }) => corpus);
    expect(new Set(names)).toEqual(new Set(["texts", "chats"]));
  });
});
