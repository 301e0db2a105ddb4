import { join } from "node:path";
import type { ConversationTree } from "@cai/visibility-mask";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Batch,
  BatchLoader,
  type BatchLoaderOptions,
  ConversationDataset,
  evalBatches,
  type LoaderState,
  prepareCorpora,
  readManifest,
  Tokenizer,
} from "../../src/data/index.js";
import { TreeRows } from "../../src/data/rows/tree-rows.js";
import { expectCaiError, makeDocuments, makeTrees, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();
const dir = join(folder, "prepared");
const key = [3, 4] as const;

beforeAll(async () => {
  const trees = makeTrees(1500, 250);
  await prepareCorpora({
    corpora: [
      { name: "chats", kind: "conversations", conversations: () => trees },
      { name: "prose", documents: () => makeDocuments(60, 1) },
    ],
    outDir: dir,
    vocabSize: 320,
    valFraction: 0.1,
    tokenizerSampleBytes: 50_000,
  });
});

function allTrees(split: "train" | "val"): ConversationTree[] {
  const dataset = ConversationDataset.open(dir, "chats", split);
  const trees = Array.from({ length: dataset.trees }, (_, number) => dataset.tree(number));
  dataset.close();
  return trees;
}

/** What every loss term of the corpus is to weigh, by token predicted: one for each conversation through it. */
function weightsByToken(trees: readonly ConversationTree[]): Float64Array {
  const sums = new Float64Array(320);
  for (const { turns } of trees) {
    const leaves = new Array<number>(turns.length).fill(0);
    const answered = new Set(turns.map(({ parent }) => parent));
    for (let i = turns.length - 1; i >= 0; i--) {
      if (!answered.has(i)) leaves[i] = 1;
      const parent = turns[i]?.parent ?? -1;
      if (parent >= 0) leaves[parent] = (leaves[parent] as number) + (leaves[i] as number);
    }
    turns.forEach(({ tokens, loss }, i) => {
      for (let at = 0; at < tokens.length; at++) {
        const token = tokens[at] as number;
        if (typeof loss === "object" && loss[at]) sums[token] = (sums[token] as number) + (leaves[i] as number);
      }
    });
  }
  return sums;
}

function addTerms(sums: Float64Array, { targets, weights }: Pick<Batch, "targets" | "weights">): void {
  targets.forEach((token, i) => {
    if (token >= 0) sums[token] = (sums[token] as number) + (weights?.[i] ?? 1);
  });
}

describe("TreeRows", () => {
  const open = (state?: Record<string, number>) =>
    new TreeRows(ConversationDataset.open(dir, "chats", "train"), { seqLen: 192, key, number: 0, state });

  it("predicts every token to be learned once for each conversation through it in each epoch, in another order", () => {
    const expected = weightsByToken(allTrees("train"));
    const rows = open();
    const orders = [0, 1].map((epoch) => {
      const sums = new Float64Array(320);
      const targets: number[] = [];
      let groups = 0;
      while (rows.state.epoch === epoch) {
        const isFirst = rows.state.row === 0;
        const row = rows.nextRow();
        expect(row.mask.seqLen).toBe(192);
        expect(row.lossTokens).toBeGreaterThan(0);
        addTerms(sums, row);
        targets.push(...row.targets.slice(0, 3));
        groups += isFirst ? 1 : 0;
      }
      expect(sums).toEqual(expected);
      expect(groups).toBeGreaterThan(1);
      return targets;
    });
    expect(orders[0]).not.toEqual(orders[1]);
    rows.close();
  });

  it("goes on from any state, and passes over rows as if it had given them", () => {
    const whole = open();
    const passed = open();
    const states = Array.from({ length: 40 }, () => {
      // Through the first epoch in strides that meet no group's end.
      for (let i = 0; i < 61; i++) {
        whole.skipRow();
        passed.skipRow();
      }
      const { state } = passed;
      return { state, row: whole.nextRow(), skipped: passed.skipRow() };
    });
    expect(whole.state).toEqual(passed.state);
    for (const { state, row } of states.filter((_, i) => i % 13 === 0)) {
      const resumed = open(JSON.parse(JSON.stringify(state)) as Record<string, number>);
      expect(resumed.nextRow()).toEqual(row);
      resumed.close();
    }
    whole.close();
    passed.close();
  });

  it("refuses states that cannot be", async () => {
    const trees = readManifest(dir).corpora[0]?.splits.train.documents as number;
    await expectCaiError(() => open({ epoch: 0, trees, row: 0 }), "E_CONFIG", `chats has ${trees} trees`);
    await expectCaiError(() => open({ epoch: 0, trees: 0, row: 1e6 }), "E_CONFIG", "got row 1000000");
    await expectCaiError(() => open({ epoch: 0, documents: 0, row: 0 }), "E_CONFIG", "epoch, trees, row");
  });

  it("refuses a corpus with nothing to learn, instead of looking for it for ever", async () => {
    const outDir = join(folder, "silent");
    const corpora = [{ name: "chats", kind: "conversations" as const, conversations: () => makeTrees(20) }];
    await prepareCorpora({ corpora, outDir, vocabSize: 320, valFraction: 0, lossRoles: ["tool"] });
    const loader = new BatchLoader({ dir: outDir, batchSize: 1, seqLen: 64, seed: 1 });
    await expectCaiError(() => loader.next(), "E_CONFIG", "chats", "something to learn");
    loader.close();
  });
});

describe("BatchLoader of conversations and documents", () => {
  const options: BatchLoaderOptions = { dir, batchSize: 3, seqLen: 64, seed: 5, weights: { chats: 1, prose: 1 } };

  it("mixes their rows, trees with weights and documents without", () => {
    const loader = new BatchLoader(options);
    for (let i = 0; i < 20; i++) {
      const { corpora, mask, rows, weights, targets, lossTokens, lossWeight, tokens } = loader.next();
      expect(new Set(corpora)).toEqual(new Set(["chats", "prose"]));
      expect([mask.batchSize, mask.seqLen, tokens.length]).toEqual([3, 64, 192]);
      expect(rows).toHaveLength(targets.length);
      expect(lossTokens).toBe(targets.length);
      const sum = Array.from(weights ?? []).reduce((total, weight) => total + weight, 0);
      expect(lossWeight).toBe(sum);
      // What predicts a token stands before it in its conversation or document: it can be seen by what follows.
      rows?.forEach((row) => {
        expect(mask.limit[row]).toBeGreaterThan(mask.start[row] as number);
      });
    }
    loader.close();
  });

  it("goes on after any number of batches as if it had never stopped", () => {
    fc.assert(
      fc.property(fc.nat(30), (stop) => {
        const loader = new BatchLoader(options);
        const stopped = new BatchLoader(options);
        for (let i = 0; i < stop; i++) {
          loader.next();
          stopped.skip();
        }
        const state = JSON.parse(JSON.stringify(stopped.state)) as LoaderState;
        const resumed = new BatchLoader({ ...options, state });
        for (let i = 0; i < 3; i++) expect(resumed.next()).toEqual(loader.next());
        for (const one of [loader, stopped, resumed]) one.close();
      }),
      { numRuns: 8 },
    );
  });
});

describe("evalBatches of conversations", () => {
  it.each([
    [4, 64],
    [2, 5000],
    [1, 33],
  ])("predicts every token to be learned exactly once, in batches of %i by %i", (batchSize, seqLen) => {
    const sums = new Float64Array(320);
    let [lossTokens, bytes] = [0, 0];
    for (const batch of evalBatches({ dir, batchSize, seqLen })) {
      expect(batch.mask.batchSize).toBe(batchSize);
      if (batch.corpus !== "chats") continue;
      expect(new Set(batch.weights)).toEqual(new Set([1]));
      addTerms(sums, batch);
      lossTokens += batch.lossTokens;
      bytes += batch.bytes;
    }
    const expected = new Float64Array(320);
    const tokenizer = Tokenizer.load(join(dir, "tokenizer.json"));
    let textBytes = 0;
    for (const { tokens, loss } of allTrees("val").flatMap(({ turns }) => turns)) {
      for (let at = 0; at < tokens.length; at++) {
        if (typeof loss !== "object" || !loss[at]) continue;
        const token = tokens[at] as number;
        expected[token] = (expected[token] as number) + 1;
        textBytes += tokenizer.byteLength(token);
      }
    }
    expect(sums).toEqual(expected);
    expect(lossTokens).toBe(expected.reduce((sum, count) => sum + count, 0));
    expect(readManifest(dir).corpora[0]?.splits.val).toMatchObject({ lossTokens });
    expect(bytes).toBe(textBytes);
  });

  it("gives a few rows of all when asked for a few batches", () => {
    const few = [...evalBatches({ dir, batchSize: 2, seqLen: 64, maxBatches: 6 })];
    const counts = ["chats", "prose"].map((name) => few.filter(({ corpus }) => corpus === name).length);
    expect(counts.every((count) => count >= 1 && count <= 6)).toBe(true);
  });
});
