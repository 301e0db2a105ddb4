import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type MicroBatch, TokenDataset } from "../../src/data/index.js";
import { documentRows } from "../../src/data/rows/document-rows.js";
import type { RowOptions } from "../../src/data/rows/row-source.js";
import { expectCaiError, makeDocuments, prepareSmall, temporaryFolder } from "./helpers.js";
import { pairCounts, piecesOf, streamOf } from "./packed-text.js";

const folder = temporaryFolder();
const dir = join(folder, "prepared");
const tiny = Array.from({ length: 90 }, (_, i) => ({ id: String(i), text: "e" }));

beforeAll(async () => {
  const [huge] = makeDocuments(1, 9);
  const text = `${huge?.text} `.repeat(40);
  await prepareSmall(dir, {
    valFraction: 0,
    corpora: [
      { name: "prose", documents: () => makeDocuments(40, 1) },
      { name: "huge", documents: () => [{ id: "0", text }] },
      { name: "tiny", documents: () => tiny },
    ],
  });
});

type Rows = ReturnType<typeof documentRows>;

const corpora = ["prose", "huge", "tiny"];

function withRows<Result>(
  corpus: string,
  packing: "packed" | "padded",
  options: Partial<RowOptions>,
  use: (rows: Rows) => Result,
): Result {
  const dataset = TokenDataset.open(dir, corpus, "train");
  const rows = documentRows(dataset, packing, { seqLen: 64, key: [1, 2], number: 0, ...options });
  try {
    return use(rows);
  } finally {
    rows.close();
  }
}

/** The rows of the next whole epoch. */
function epochOf(rows: Rows): MicroBatch[] {
  const { epoch } = rows.state;
  const list: MicroBatch[] = [];
  while (rows.state.epoch === epoch) list.push(rows.nextRow());
  return list;
}

/** Every document as it is to be predicted: an end of text, its tokens, an end of text. */
function documentsOf(corpus: string): number[][] {
  const documents: number[][] = [[0]];
  for (const token of streamOf(dir, corpus)) {
    documents.at(-1)?.push(token);
    if (token === 0) documents.push([0]);
  }
  return documents.slice(0, -1);
}

describe.each(["packed", "padded"] as const)("documents in %s rows", (packing) => {
  it("have every token predicted from the one before it exactly once an epoch, whatever the length of rows", () => {
    const options = fc.record({
      corpus: fc.constantFrom(...corpora),
      seqLen: fc.integer({ min: 1, max: 300 }),
      key: fc.tuple(fc.nat(), fc.nat()),
    });
    fc.assert(
      fc.property(options, ({ corpus, ...chosen }) => {
        const expected = pairCounts(documentsOf(corpus));
        withRows(corpus, packing, chosen, (rows) => {
          for (let epoch = 0; epoch < 2; epoch++) expect(pairCounts(epochOf(rows).flatMap(piecesOf))).toEqual(expected);
        });
      }),
      { numRuns: 25 },
    );
  });

  it("are whole where they fit, and cut at other places in another epoch where they don't", () => {
    const whole = documentsOf("prose").map(String).sort();
    const longest = Math.max(...documentsOf("prose").map(({ length }) => length));
    withRows("prose", packing, { seqLen: longest }, (rows) => {
      expect(epochOf(rows).flatMap(piecesOf).map(String).sort()).toEqual(whole);
    });
    withRows("huge", packing, {}, (rows) => {
      const [document = []] = documentsOf("huge");
      const cuts = [1, 2, 3].map(() => {
        const pieces = epochOf(rows).flatMap(piecesOf);
        for (const piece of pieces) expect(document.join()).toContain(piece.join());
        return pieces.map(({ length }) => length).sort((a, b) => a - b);
      });
      // All but the first and the last piece fill a row: 64 targets behind one input.
      for (const lengths of cuts) expect(lengths.slice(2).every((length) => length === 65)).toBe(true);
      expect(new Set(cuts.map(String)).size).toBeGreaterThan(1);
    });
  });

  it("come in another order in another epoch, and in the same for the same key", () => {
    const epochs = (key: [number, number]) =>
      withRows("prose", packing, { key }, (rows) => [epochOf(rows), epochOf(rows)]);
    const [first, second] = epochs([3, 4]);
    expect(second).not.toEqual(first);
    expect(epochs([3, 4])).toEqual([first, second]);
    expect(epochs([3, 5])).not.toEqual([first, second]);
  });

  it("go on from any state, and after rows that were passed over, as if nothing had happened", () => {
    const options = fc.record({ corpus: fc.constantFrom(...corpora), seqLen: fc.integer({ min: 3, max: 90 }) });
    fc.assert(
      fc.property(options, fc.nat(40), ({ corpus, seqLen }, count) => {
        const next = (rows: Rows) => Array.from({ length: 5 }, () => rows.nextRow());
        const [expected, state, end] = withRows(corpus, packing, { seqLen }, (rows) => {
          for (let i = 0; i < count; i++) rows.nextRow();
          const { state } = rows;
          return [next(rows), state, rows.state] as const;
        });
        withRows(corpus, packing, { seqLen, state: JSON.parse(JSON.stringify(state)) }, (rows) => {
          expect(next(rows)).toEqual(expected);
          expect(rows.state).toEqual(end);
        });
        withRows(corpus, packing, { seqLen }, (rows) => {
          for (let i = 0; i < count; i++) rows.skipRow();
          expect(next(rows)).toEqual(expected);
        });
      }),
      { numRuns: 20 },
    );
  });

  it("see only what stands before them in their own document, with positions from 0", () => {
    for (const { mask, tokens, targets } of withRows("prose", packing, { seqLen: 200 }, epochOf)) {
      let begin = 0;
      for (let i = 0; i < mask.seqLen; i++) {
        if (mask.limit[i] === 0) {
          expect([tokens[i], targets[i], mask.start[i], mask.position(i)]).toEqual([0, -1, 0, 0]);
          continue;
        }
        if (i > 0 && mask.limit[i] !== mask.limit[i - 1]) begin = i;
        expect([mask.start[i], mask.position(i)]).toEqual([i, i - begin]);
        if (i > begin) expect(tokens[i]).toBe(targets[i - 1]);
      }
    }
  });
});

describe("packed rows", () => {
  it("leave hardly a position unused where there are short documents, and as few rows as there can be", () => {
    const rows = withRows("tiny", "packed", { seqLen: 64 }, epochOf);
    expect(rows).toHaveLength(Math.ceil((90 * 2) / 64));
    const used = withRows("prose", "packed", { seqLen: 300 }, epochOf);
    const padded = withRows("prose", "padded", { seqLen: 300 }, epochOf);
    const share = (list: MicroBatch[]) =>
      list.reduce((sum, { lossTokens }) => sum + lossTokens, 0) / (300 * list.length);
    // A dozen rows, the last ones half empty; thousands leave 0.5 %.
    expect(share(used)).toBeGreaterThan(0.85);
    expect(share(used)).toBeGreaterThan(1.3 * share(padded));
  });

  it("refuse a state that cannot be", async () => {
    const refuse = (state: Record<string, number>, ...parts: string[]) =>
      expectCaiError(() => withRows("tiny", "packed", { state }, () => {}), "E_CONFIG", "state", ...parts);
    await refuse({ epoch: 0, index: 3 }, "epoch, items, row", "epoch, index");
    await refuse({ epoch: 0, items: 90, row: 0 }, "90 documents");
    await refuse({ epoch: 0, items: 0, row: 3 }, "3 rows in a group, got row 3");
  });
});
