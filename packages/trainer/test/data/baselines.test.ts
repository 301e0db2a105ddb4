import { join } from "node:path";
import { expectAllClose } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { bigramBaselines, InterpolatedBigram, TokenDataset } from "../../src/data/index.js";
import { PairCounts } from "../../src/data/pair-counts.js";
import { splitOf } from "../../src/data/write-corpora.js";
import { makeDocuments, prepareSmall, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();

describe("InterpolatedBigram", () => {
  const sequence = [0, 1, 2, 1, 2, 3, 0, 1, 1, 2, 0];

  it("is the stated formula", () => {
    const model = new InterpolatedBigram(5);
    for (let i = 1; i < sequence.length; i++) model.add(sequence[i - 1] as number, sequence[i] as number);
    model.discount = 0.4;
    // After 1 came 2, 2, 1, 2 of 10 symbols in all, among them 2 three times and 1 four times.
    const unigram = (count: number) => (count + 1) / (10 + 5);
    const given = (count: number, all: number) => Math.max(count - 0.4, 0) / 4 + ((0.4 * 2) / 4) * unigram(all);
    expectAllClose(
      [model.probability(1, 2), model.probability(1, 1), model.probability(1, 4), model.probability(4, 2)],
      [given(3, 3), given(1, 4), given(0, 0), unigram(3)],
      // A handful of double operations.
      { rtol: 1e-14 },
    );
  });

  it("sums to one after every context, seen or not", () => {
    const model = new InterpolatedBigram(5);
    for (let i = 1; i < sequence.length; i++) model.add(sequence[i - 1] as number, sequence[i] as number);
    for (let context = 0; context < 5; context++) {
      const sum = [0, 1, 2, 3, 4].reduce((total, symbol) => total + model.probability(context, symbol), 0);
      expectAllClose([sum], [1], { rtol: 1e-14 });
    }
  });

  it("fits the discount that makes held-out pairs most probable", () => {
    const model = new InterpolatedBigram(5);
    for (let i = 1; i < sequence.length; i++) model.add(sequence[i - 1] as number, sequence[i] as number);
    const held = [1, 2, 1, 2, 1, 4, 2, 0, 0, 3, 0, 1];
    const nats = (discount: number) => {
      model.discount = discount;
      let sum = 0;
      for (let i = 0; i < held.length; i += 2)
        sum -= Math.log(model.probability(held[i] as number, held[i + 1] as number));
      return sum;
    };
    model.fitDiscount(held);
    const fitted = model.discount;
    const grid = Array.from({ length: 999 }, (_, i) => (i + 1) / 1000);
    const best = grid.reduce((a, b) => (nats(b) < nats(a) ? b : a));
    expect(Math.abs(fitted - best)).toBeLessThan(0.001 + 1e-4);
  });

  it("keeps the usual discount when nothing is held out", () => {
    const model = new InterpolatedBigram(3);
    model.fitDiscount([]);
    expect(model.discount).toBe(0.75);
  });
});

describe("PairCounts", () => {
  it("counts what a map counts, however much it grows", () => {
    const counts = new PairCounts(70_000);
    const map = new Map<string, number>();
    const before: number[] = [];
    const expected: number[] = [];
    for (let i = 0; i < 60_000; i++) {
      const context = (i * 7919) % 1000;
      const symbol = 69_999 - ((i * 104_729) % 211);
      const key = `${context} ${symbol}`;
      before.push(counts.add(context, symbol));
      expected.push(map.get(key) ?? 0);
      map.set(key, (map.get(key) ?? 0) + 1);
    }
    expectAllClose(before, expected, { rtol: 0 });
    const after = [...map.keys()].map((key) => counts.get(Number(key.split(" ")[0]), Number(key.split(" ")[1])));
    expectAllClose(after, [...map.values()], { rtol: 0 });
    expect(counts.get(999, 1)).toBe(0);
  });
});

describe("bigramBaselines", () => {
  it("scores the validation split by both models as counting by hand does", async () => {
    const dir = join(folder, "prepared");
    const { manifest } = await prepareSmall(dir);
    const { tokenBigram, byteBigram } = bigramBaselines(dir);
    const model = new InterpolatedBigram(manifest.tokenizer.vocabSize);
    model.discount = tokenBigram.discount;
    forPairs(dir, "train", (context, id) => model.add(context, id));
    let nats = 0;
    let tokens = 0;
    forPairs(dir, "val", (context, id) => {
      nats -= Math.log(model.probability(context, id));
      tokens++;
    });
    expect(tokenBigram.tokens).toBe(tokens);
    expectAllClose([tokenBigram.natsPerToken], [nats / tokens], { rtol: 1e-12 });
    expectAllClose([tokenBigram.bitsPerByte], [nats / Math.LN2 / manifest.totals.val.bytes], { rtol: 1e-12 });
    expect(byteBigram.bitsPerByte).toBeGreaterThan(tokenBigram.bitsPerByte);
    expect(byteBigram.bitsPerByte).toBeLessThan(8);
    expect(tokenBigram.discount).not.toBe(0.75);
  });

  it("fits on the training split alone: validation text leaves the discounts as they are", async () => {
    const train = makeDocuments(60, 1);
    const discounts = await Promise.all(
      [2, 3].map(async (seed) => {
        const dir = join(folder, `fit-${seed}`);
        const extra = makeDocuments(200, seed);
        const documents = () => [
          ...train.filter(({ text }) => splitOf(text, 0.2) === "train"),
          ...extra.filter(({ text }) => splitOf(text, 0.2) === "val"),
        ];
        await prepareSmall(dir, { corpora: [{ name: "one", documents }] });
        const { tokenBigram, byteBigram } = bigramBaselines(dir);
        return [tokenBigram.discount, byteBigram.discount];
      }),
    );
    expect(discounts[0]).toEqual(discounts[1]);
  });
});

function forPairs(dir: string, split: "train" | "val", visit: (context: number, id: number) => void): void {
  for (const corpus of ["one", "two"]) {
    const dataset = TokenDataset.open(dir, corpus, split);
    const tokens = new Int32Array(dataset.tokens);
    dataset.read(0, dataset.tokens, tokens);
    dataset.close();
    for (const [i, id] of tokens.entries()) visit(tokens[i - 1] ?? dataset.endOfText, id);
  }
}
