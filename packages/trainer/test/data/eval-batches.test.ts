import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { bitsPerByte, type EvalBatch, evalBatches, readManifest, TokenDataset } from "../../src/data/index.js";
import { expectCaiError, makeDocuments, prepareSmall, temporaryFolder } from "./helpers.js";
import { pairCounts, piecesOf, streamOf } from "./packed-text.js";

const dir = join(temporaryFolder(), "prepared");
beforeAll(() => prepareSmall(dir).then(() => undefined));

const pass = (batchSize: number, seqLen: number, maxBatches?: number) => [
  ...evalBatches({ dir, batchSize, seqLen, ...(maxBatches !== undefined && { maxBatches }) }),
];

function splitAfterEach(stream: Int32Array, last: number): number[][] {
  const parts: number[][] = [[]];
  for (const token of stream) {
    parts.at(-1)?.push(token);
    if (token === last) parts.push([]);
  }
  return parts.slice(0, -1);
}

function bytesOf(corpus: string): number {
  const dataset = TokenDataset.open(dir, corpus, "val");
  dataset.close();
  return dataset.bytes;
}

describe("evalBatches", () => {
  it.each([
    [4, 16],
    [1, 7],
    [3, 1],
    [2, 100_000],
  ])(
    "predicts every token once, from what stands before it in its document, in batches of %i by %i",
    (batchSize, seqLen) => {
      const batches = pass(batchSize, seqLen);
      for (const { name } of readManifest(dir).corpora) {
        const stream = streamOf(dir, name, "val");
        const documents = splitAfterEach(stream, 0).map((document) => [0, ...document]);
        const own = batches.filter(({ corpus }) => corpus === name);
        const pieces = own.flatMap(piecesOf);
        expect(pairCounts(pieces)).toEqual(pairCounts(documents));
        const whole = documents.filter(({ length }) => length <= seqLen + 1).map(String);
        expect(pieces.map(String)).toEqual(expect.arrayContaining(whole));
        expect(own.reduce((sum, { lossTokens }) => sum + lossTokens, 0)).toBe(stream.length);
        expect(own.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(bytesOf(name));
      }
    },
  );

  it("does not depend on how training rows are made", () => {
    const packing = { packing: "stream" };
    expect([...evalBatches({ dir, batchSize: 2, seqLen: 9, ...packing })]).toEqual(pass(2, 9));
  });

  it("gives full arrays whatever is left over, and the same ones each time", () => {
    const batches = pass(4, 16);
    for (const { tokens, targets } of batches) expect([tokens.length, targets.length]).toEqual([64, 64]);
    expect(pass(4, 16)).toEqual(batches);
  });

  it("counts the bytes of exactly the targets it gives", () => {
    const { totals } = readManifest(dir);
    const part = pass(2, 16, 5);
    expect(part.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(totals.val.bytes);
    expect(pass(1, 1).filter(({ bytes }) => bytes === 0)).toHaveLength(totals.val.documents);
  });

  it("takes part of the rows when asked, from every corpus and spread over it", () => {
    const batches = pass(2, 16, 6);
    expect(batches.length).toBeLessThanOrEqual(7);
    expect(new Set(batches.map(({ corpus }) => corpus))).toEqual(new Set(["one", "two"]));
    const rowsOf = (list: EvalBatch[]) =>
      list
        .filter(({ corpus }) => corpus === "one")
        .flatMap(({ targets }) => [targets.subarray(0, 16).join(), targets.subarray(16).join()]);
    const all = rowsOf(pass(2, 16));
    const places = rowsOf(batches).map((row) => all.indexOf(row));
    const gaps = places.slice(1).map((place, i) => place - (places[i] as number));
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThanOrEqual(1);
    expect(Math.min(...gaps)).toBeGreaterThan(1);
    expect(all.length - (places.at(-1) as number)).toBeLessThanOrEqual(Math.max(...gaps));
    expect(pass(2, 16, 10_000)).toEqual(pass(2, 16));
  });

  it("gives nothing of an empty split, and refuses numbers that cannot be", async () => {
    const none = join(dir, "none");
    await prepareSmall(none, { corpora: [{ name: "a", documents: () => makeDocuments(5) }], valFraction: 0 });
    expect([...evalBatches({ dir: none, batchSize: 2, seqLen: 4 })]).toEqual([]);
    await expectCaiError(() => pass(0, 4), "E_ARGUMENT", "batchSize", "0");
    await expectCaiError(() => pass(2, 4, 0), "E_ARGUMENT", "maxBatches", "0");
  });
});

describe("bitsPerByte", () => {
  it("is nats times tokens over ln 2 times bytes", () => {
    expect(bitsPerByte({ natsPerToken: Math.LN2, tokens: 10, bytes: 5 })).toBe(2);
  });
});
