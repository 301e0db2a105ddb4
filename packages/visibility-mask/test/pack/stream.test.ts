import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ConversationTree,
  type PackedBatch,
  packConversations,
  packDocuments,
  packStream,
  type StreamOptions,
} from "../../src/index.js";
import { conversationsOf, rowsIn, rowsOf, sumOver, trees } from "../support/separate.js";

type Source = Parameters<typeof packStream>[0];

async function collect(source: Source, options: StreamOptions): Promise<PackedBatch[]> {
  const batches: PackedBatch[] = [];
  for await (const batch of packStream(source, options)) batches.push(batch);
  return batches;
}

/** Lengths between 1 and 400, most of them short, the same every time. */
const lengthOf = (i: number) => 1 + Math.floor(Math.exp(((Math.imul(i, 0x9e3779b1) >>> 8) / 2 ** 24) * 6));

describe("packStream", () => {
  it("gives the loss and the gradient of the separate conversations, whatever the buffer", async () => {
    const options = fc.record({
      seqLen: fc.integer({ min: 5, max: 40 }),
      merge: fc.constantFrom("tokens", "turns", "none"),
      batchSize: fc.integer({ min: 1, max: 3 }),
      rows: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(trees, options, async (forest, { rows, ...given }) => {
        const batches = await collect(forest, { ...given, bufferTokens: rows * given.seqLen });
        const separate = conversationsOf(forest, given).flatMap((conversation) => rowsOf(conversation, given));
        const expected = sumOver(separate);
        const actual = sumOver(batches.flatMap(rowsIn));
        const size = Math.max(1, ...expected.map(Math.abs));
        // Weights are small whole numbers, and sums of doubles lose some 1e-14.
        for (const [i, value] of expected.entries()) {
          expect(Math.abs((actual[i] ?? 0) - value)).toBeLessThanOrEqual(1e-12 * size);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("counts what waits together once with sharedOnce, though it leaves in several rows at several times", async () => {
    // A prompt of 4 with 13 answers, of which a row of 10 holds two: the last waits until others make the buffer full.
    const answers = Array.from({ length: 13 }, (_, i) => ({ tokens: [10 + i, 0, 0], parent: 0 }));
    const forest: ConversationTree[] = [
      { turns: [{ tokens: [1, 2, 3, 4] }, ...answers] },
      ...Array.from({ length: 9 }, (_, i) => ({ turns: [{ tokens: [40 + i, 1, 1, 1, 1] }] })),
    ];
    const batches = await collect(forest, { seqLen: 10, bufferTokens: 40, weighting: "sharedOnce" });
    const total = batches.flatMap(({ weights }) => [...weights]).reduce((sum, weight) => sum + weight, 0);
    expect(total).toBe(3 + 13 * 3 + 9 * 4);
  });

  it("makes full batches of documents from a generator and never holds more than its buffer", async () => {
    let read = 0;
    let given = 0;
    let most = 0;
    async function* documents() {
      for (let i = 0; i < 3000; i++) {
        read += lengthOf(i);
        most = Math.max(most, read - given);
        yield Int32Array.from({ length: lengthOf(i) }, (_, at) => (at === 0 ? 30_000 + i : at));
      }
    }
    const [seqLen, batchSize, bufferTokens] = [512, 8, 32 * 512];
    let positions = 0;
    for await (const batch of packStream(documents(), { seqLen, batchSize, bufferTokens })) {
      given += batch.used;
      positions += batch.tokens.length;
      expect(batch).toMatchObject({ seqLen });
      if (given < read) expect(batch.batchSize).toBe(batchSize);
    }
    expect(given).toBe(read);
    expect(most).toBeLessThanOrEqual(bufferTokens + 400 + batchSize * seqLen);
    expect(given / positions).toBeGreaterThan(0.99);
  });

  it("gives what packing all at once gives where all fits into the buffer", async () => {
    const documents = Array.from({ length: 50 }, (_, i) => new Uint16Array(lengthOf(i)).fill(i + 1));
    const [batch, ...others] = await collect(documents, { seqLen: 400, batchSize: 100 });
    expect(others).toEqual([]);
    const { conversations, separateTokens, leftOut, ...packed } = packConversations(
      documents.map((tokens) => ({ turns: [{ tokens }] })),
      { seqLen: 400 },
    );
    expect(batch).toEqual(packed);
    const { documents: places, ...alone } = packDocuments(documents, { seqLen: 400 });
    expect(batch).toEqual(alone);
  });

  it("gives out rows when nothing is merged to an end: one tree after another that no row is filled by", async () => {
    const forest = Array.from({ length: 40 }, (_, i) => ({ turns: [{ tokens: new Int32Array(60).fill(i) }] }));
    const batches = await collect(forest, { seqLen: 100, bufferTokens: 100 });
    expect(batches.map(({ used }) => used)).toEqual(new Array(40).fill(60));
  });

  it("gives nothing for nothing", async () => {
    expect(await collect([], { seqLen: 8 })).toEqual([]);
    expect(await collect([[], { turns: [] }, { turns: [{ tokens: [] }] }], { seqLen: 8 })).toEqual([]);
  });

  it("closes its source when it is left early", async () => {
    let closed = false;
    function* documents() {
      try {
        for (;;) yield [1, 2, 3];
      } finally {
        closed = true;
      }
    }
    for await (const batch of packStream(documents(), { seqLen: 8, merge: "none" })) {
      expect(batch.used).toBe(6);
      break;
    }
    expect(closed).toBe(true);
  });

  it.each([
    [[[1], [2, -1]], {}, "packStream: token 1 of turn 0 of tree 1 must be a token id"],
    [[[1], 7], {}, "packStream: tree 1 must be an object with turns, got 7"],
    [null, {}, "packStream: source must be iterable, got null"],
    [[], { batchSize: 0 }, "batchSize must be a whole number from 1"],
    [[], { bufferTokens: 7 }, "bufferTokens must be a whole number from 8"],
    [[], { seqLen: 0 }, "seqLen must be a whole number from 2"],
  ])("refuses wrong items or options (%#)", async (source, options, message) => {
    await expect(collect(source as Source, { seqLen: 8, ...options })).rejects.toThrow(message);
  });
});
