import { isCaiError } from "@cai/portable/error";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VisibilityMask } from "../src/mask.js";
import { mask as anyMask, window as anyWindow, bruteForce } from "./support/random-masks.js";

/** Who sees key `key` of row `row`, as text of 0 and 1 over the queries. */
function column(mask: VisibilityMask, dense: Uint8Array, row: number, key: number): string {
  const { seqLen } = mask;
  return Array.from({ length: seqLen }, (_, i) => dense[(row * seqLen + i) * seqLen + key]).join("");
}

/** The first token whose queries are not one run, as messages name it; undefined when there is none. */
function firstBroken(mask: VisibilityMask, dense: Uint8Array): string | undefined {
  for (let row = 0; row < mask.batchSize; row++) {
    for (let key = 0; key < mask.seqLen; key++) {
      if (/10+1/.test(column(mask, dense, row, key))) return `token ${key} of row ${row}:`;
    }
  }
  return undefined;
}

/** What a conversion gives, or nothing where it refuses. */
function converted<R>(convert: () => R): R | undefined {
  try {
    return convert();
  } catch (error) {
    if (isCaiError(error) && error.code === "E_ARGUMENT") return undefined;
    throw error;
  }
}

const sample = VisibilityMask.packed([2, 3], { seqLen: 6 });

describe("isVisible", () => {
  it("agrees with the definition everywhere", () => {
    fc.assert(
      fc.property(anyMask, anyWindow, (mask, window) => {
        const { batchSize, seqLen } = mask;
        const all = Array.from({ length: batchSize * seqLen * seqLen }, (_, cell) => {
          const [row, query] = [Math.floor(cell / seqLen / seqLen), Math.floor(cell / seqLen) % seqLen];
          return mask.isVisible(query, cell % seqLen, { row, window }) ? 1 : 0;
        });
        expect(all).toEqual([...bruteForce(mask, window)]);
      }),
    );
  });

  it.each([
    [[6, 0], "isVisible: query must be a whole number from 0 to 5, got 6"],
    [[0, -1], "isVisible: key must be a whole number from 0 to 5, got -1"],
    [[Number.NaN, 0], "isVisible: query must be a whole number from 0 to 5, got NaN"],
    [[0, 0, { row: 1 }], "isVisible: row must be a whole number from 0 to 0, got 1"],
    [[0, 0, { window: 1.5 }], "isVisible: window must be a whole number from 0 to 2147483647, got 1.5"],
  ])("refuses %j", (args, message) => {
    expect(() => sample.isVisible(...(args as [number, number]))).toThrow(message);
  });
});

describe("dense masks", () => {
  it("have every visible cell, and no other", () => {
    fc.assert(
      fc.property(anyMask, anyWindow, (mask, window) => {
        const dense = bruteForce(mask, window);
        expect(mask.toDense({ window })).toEqual(dense);
        expect(mask.visibleCells({ window })).toBe(dense.reduce((sum, cell) => sum + cell, 0));
        const additive = mask.toAdditive({ window, lowest: -7 });
        expect(additive).toEqual(Float32Array.from(dense, (cell) => (cell ? 0 : -7)));
      }),
    );
  });

  it("can be read back", () => {
    fc.assert(
      fc.property(anyMask, (mask) => {
        const { batchSize, seqLen, positions } = mask;
        const dense = mask.toDense();
        const back = VisibilityMask.fromDense(dense, { batchSize, seqLen, positions, allowBlind: true });
        expect(back.toDense()).toEqual(dense);
        expect(back.positions).toBe(positions);
      }),
    );
  });

  it("of any other kind are refused, naming the first token whose queries are not one run", () => {
    const cells = fc.array(fc.constantFrom(0, 1), { minLength: 50, maxLength: 50 });
    fc.assert(
      fc.property(cells, (list) => {
        const dense = Uint8Array.from(list);
        const read = () => VisibilityMask.fromDense(dense, { batchSize: 2, seqLen: 5, allowBlind: true });
        const shape = new VisibilityMask({ start: new Int32Array(10), limit: new Int32Array(10), batchSize: 2 });
        const broken = firstBroken(shape, dense);
        if (broken) expect(read).toThrow(broken);
        else expect(read().toDense()).toEqual(dense);
      }),
    );
  });

  it("name the queries around the gap", () => {
    const dense = Uint8Array.of(1, 0, 0, 0, 1, 0, 1, 0, 1);
    expect(() => VisibilityMask.fromDense(dense, { seqLen: 3 })).toThrow(
      "visibilityMask.fromDense: token 0 of row 0: query 1 does not see it, but queries before and after do (query 2): only one " +
        "run of queries can be said",
    );
  });

  it.each<[string, () => unknown, string]>([
    [
      "numbers in place of bytes",
      () => VisibilityMask.fromDense([1] as never, { seqLen: 1 }),
      "dense must be a Uint8Array",
    ],
    ["a wrong size", () => VisibilityMask.fromDense(new Uint8Array(5), { seqLen: 2 }), "dense must have 4 elements"],
    [
      "other values",
      () => VisibilityMask.fromDense(Uint8Array.of(1, 0, 2, 1), { seqLen: 2 }),
      "query 1, key 0 of row 0: expected 0 or 1, got 2",
    ],
    [
      "a window below none",
      () => VisibilityMask.fromDense(Uint8Array.of(0, 1, 0, 1), { seqLen: 2 }).toDense({ window: -1 }),
      "window must be a whole number",
    ],
    [
      "a query that sees nobody",
      () => VisibilityMask.fromDense(Uint8Array.of(1, 1, 0, 0), { seqLen: 2 }),
      "token 1 of row 0: it sees nobody",
    ],
    ["no shape", () => VisibilityMask.fromDense(new Uint8Array(1), undefined as never), "options must be an object"],
    [
      "more cells than memory",
      () => VisibilityMask.causal(2 ** 21).toDense(),
      "toDense: no memory for 4398046511104 cells",
    ],
    ["a lowest that hides nothing", () => sample.toAdditive({ lowest: 0 }), "lowest must be a number below 0, got 0"],
    [
      "a lowest that is no number",
      () => sample.toAdditive({ lowest: Number.NaN }),
      "lowest must be a number below 0, got NaN",
    ],
  ])("refuse %s", (_, make, message) => expect(make).toThrow(message));

  it("make no NaN in a softmax, not even of padding, and give hidden keys no weight", () => {
    const additive = sample.toAdditive();
    const dense = sample.toDense();
    for (let i = 0; i < 6; i++) {
      const logits = Float32Array.from(
        { length: 6 },
        (_, j) => Math.fround(50 * Math.sin(7 * i + j)) + (additive[6 * i + j] as number),
      );
      const highest = Math.max(...logits);
      const weights = logits.map((logit) => Math.exp(logit - highest));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      expect(total).toBeGreaterThan(0);
      if (i === 5) continue;
      weights.forEach((weight, j) => {
        if (!dense[6 * i + j]) expect(weight).toBe(0);
      });
    }
  });
});

describe("withWindow", () => {
  it("has the window's cells in its arrays, or names the first token that is seen in two runs", () => {
    fc.assert(
      fc.property(anyMask, anyWindow, (mask, window) => {
        const dense = bruteForce(mask, window);
        const broken = firstBroken(mask, dense);
        if (broken) {
          expect(() => mask.withWindow(window)).toThrow(broken);
          expect(() => mask.toFlashMask({ window })).toThrow(broken);
          return;
        }
        const narrow = mask.withWindow(window);
        expect(narrow.toDense()).toEqual(dense);
        expect(narrow.positions).toBe(mask.positions);
      }),
    );
  });

  it("is the table's sliding window in one document: limit min(j + w, b)", () => {
    const mask = VisibilityMask.causal(7).withWindow(3);
    expect([...mask.start]).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([...mask.limit]).toEqual([3, 4, 5, 6, 7, 7, 7]);
  });

  it("says what to do on branches", () => {
    expect(() => VisibilityMask.sharedPrompt(2, [3, 3]).withWindow(2)).toThrow(
      "visibilityMask.withWindow: token 1 of row 0: the queries within window 2 of it end at 3 and go on at 5; a window on " +
        "branches is no interval; keep the mask and give the window to what reads it",
    );
  });
});

describe("blocks", () => {
  it("are empty, partly visible or full exactly as their cells are, whatever their size", () => {
    const size = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(anyMask, anyWindow, size, size, (mask, window, queryBlock, keyBlock) => {
        const { batchSize, seqLen } = mask;
        const dense = bruteForce(mask, window);
        const { rows, columns, kinds } = mask.blocks({ queryBlock, keyBlock, window });
        expect([rows, columns]).toEqual([Math.ceil(seqLen / queryBlock), Math.ceil(seqLen / keyBlock)]);
        const seen = new Uint8Array(kinds.length);
        dense.forEach((cell, at) => {
          const [row, i, j] = [Math.floor(at / seqLen / seqLen), Math.floor(at / seqLen) % seqLen, at % seqLen];
          const block = (row * rows + Math.floor(i / queryBlock)) * columns + Math.floor(j / keyBlock);
          seen[block] = (seen[block] as number) | (cell ? 2 : 1);
        });
        const kindOf = [0, 0, 2, 1];
        expect(kinds).toEqual(seen.map((both) => kindOf[both] as number));
        expect(kinds.length).toBe(batchSize * rows * columns);
      }),
      { numRuns: 300 },
    );
  });

  it("are 64 by 64 unless told otherwise", () => {
    const { rows, columns, kinds, queryBlock, keyBlock } = VisibilityMask.causal(129).blocks();
    expect([rows, columns, queryBlock, keyBlock]).toEqual([3, 3, 64, 64]);
    expect([...kinds]).toEqual([1, 0, 0, 2, 1, 0, 2, 2, 2]);
  });

  it.each([0, -1, 1.5, Number.NaN, "64"])("refuse a size of %j", (size) => {
    expect(() => sample.blocks({ queryBlock: size as number })).toThrow("queryBlock must be a whole number from 1");
    expect(() => sample.blocks({ keyBlock: size as number })).toThrow("keyBlock must be a whole number from 1");
  });

  it("are refused where there is no memory for them", () => {
    const blocks = () => VisibilityMask.causal(2 ** 20).blocks({ queryBlock: 1, keyBlock: 1 });
    expect(blocks).toThrow(
      expect.objectContaining({
        code: "E_MEMORY",
        message: "visibilityMask.blocks: no memory for 1099511627776 blocks: take larger ones",
      }),
    );
  });

  it("and visibleCells take a long row with memory for one row", () => {
    const lengths = Array<number>(1000).fill(131);
    const mask = VisibilityMask.packed(lengths);
    expect(mask.visibleCells()).toBe((1000 * 131 * 132) / 2);
    expect(mask.visibleCells({ window: 10 })).toBe(1000 * (10 * 131 - 45));
    expect(mask.blocks({ queryBlock: 1024, keyBlock: 1024 }).rows).toBe(128);
  });
});

describe("toFlashMask", () => {
  it("hides what PaddlePaddle's reading of its columns hides", () => {
    fc.assert(
      fc.property(anyMask, (mask) => {
        const { batchSize, seqLen } = mask;
        const { causal, startendRowIndices, shape } = mask.toFlashMask();
        const bounds = shape[3];
        expect(shape).toEqual([batchSize, 1, seqLen, causal ? 1 : 2]);
        const dense = Uint8Array.from({ length: batchSize * seqLen * seqLen }, (_, at) => {
          const [row, i, j] = [Math.floor(at / seqLen / seqLen), Math.floor(at / seqLen) % seqLen, at % seqLen];
          const column = (row * seqLen + j) * bounds;
          const belowHidden = i >= (startendRowIndices[column] as number);
          const aboveHidden = causal ? i < j : i < (startendRowIndices[column + 1] as number);
          return belowHidden || aboveHidden ? 0 : 1;
        });
        expect(dense).toEqual(bruteForce(mask));
      }),
    );
  });

  it("needs one bound for causal masks, of packed documents or trees, and two for others", () => {
    expect(VisibilityMask.packed([2, 1], { seqLen: 4 }).toFlashMask()).toEqual({
      causal: true,
      startendRowIndices: Int32Array.of(2, 2, 3, 0),
      shape: [1, 1, 4, 1],
    });
    expect(VisibilityMask.tree([-1, 0, 0]).toFlashMask().causal).toBe(true);
    expect(VisibilityMask.prefixLm(2, 3).toFlashMask()).toEqual({
      causal: false,
      startendRowIndices: Int32Array.of(3, 0, 3, 0, 3, 2),
      shape: [1, 1, 3, 2],
    });
  });

  it("takes a window in", () => {
    expect([...VisibilityMask.causal(4).toFlashMask({ window: 2 }).startendRowIndices]).toEqual([2, 3, 4, 4]);
    expect(() => sample.toFlashMask({ window: Number.NaN })).toThrow("toFlashMask: window must be a whole number");
  });
});

describe("toCuSeqlens", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 });

  it("says where documents begin, in all rows, without padding", () => {
    fc.assert(
      fc.property(fc.array(lengths, { minLength: 1, maxLength: 3 }), fc.boolean(), (rows, causal) => {
        const total = (list: readonly number[]) => list.reduce((sum, n) => sum + n, 0);
        const seqLen = Math.max(...rows.map(total)) + 1;
        const one = (n: number) => (causal ? VisibilityMask.causal(n) : VisibilityMask.bidirectional(n));
        const mask = VisibilityMask.stack(rows.map((row) => VisibilityMask.concat(row.map(one), { seqLen })));
        const found = mask.toCuSeqlens();
        const all = rows.flat();
        expect([...found.cuSeqlens]).toEqual([0, ...all.map((_, i) => total(all.slice(0, i + 1)))]);
        expect(found.maxSeqlen).toBe(Math.max(0, ...all));
        const used = rows.flatMap((row, b) => Array.from({ length: total(row) }, (_, i) => b * seqLen + i));
        expect([...found.indices]).toEqual(used);
        if (all.some((n) => n > 1)) expect(found.causal).toBe(causal);
        expect(found.windowSize).toEqual([-1, -1]);
      }),
    );
  });

  it("means, as FlashAttention reads it, the mask's cells for whatever mask it takes", () => {
    const rows = fc.array(lengths, { minLength: 1, maxLength: 3 }).chain((list) =>
      fc.boolean().map((causal) => {
        const seqLen = Math.max(1, ...list.map((row) => row.reduce((sum, n) => sum + n, 0)));
        const one = (n: number) => (causal ? VisibilityMask.causal(n) : VisibilityMask.bidirectional(n));
        return VisibilityMask.stack(list.map((row) => VisibilityMask.concat(row.map(one), { seqLen })));
      }),
    );
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(rows, anyMask), anyWindow, (mask, window) => {
        const found = converted(() => mask.toCuSeqlens({ window }));
        if (!found) return;
        taken += 1;
        const { cuSeqlens, indices, causal, windowSize } = found;
        const dense = new Uint8Array(mask.batchSize * mask.seqLen ** 2);
        cuSeqlens.subarray(1).forEach((end, document) => {
          for (let i = cuSeqlens[document] as number; i < end; i++) {
            for (let j = cuSeqlens[document] as number; j < end; j++) {
              const hidden = (causal && j > i) || (windowSize[0] >= 0 && i - j > windowSize[0]);
              const [query, key] = [indices[i] as number, (indices[j] as number) % mask.seqLen];
              if (!hidden) dense[query * mask.seqLen + key] = 1;
            }
          }
        });
        expect(dense).toEqual(bruteForce(mask, window));
      }),
    );
    expect(taken).toBeGreaterThan(20);
  });

  it("gives a window as keys to the left", () => {
    expect(sample.toCuSeqlens({ window: 2 })).toMatchObject({ causal: true, windowSize: [1, 0] });
    expect(VisibilityMask.bidirectional(3).toCuSeqlens({ window: 2 }).causal).toBe(true);
  });

  it("gives no document for nothing but padding", () => {
    expect([...VisibilityMask.padding(3).toCuSeqlens().cuSeqlens]).toEqual([0]);
  });

  const spaced = VisibilityMask.concat([VisibilityMask.causal(2), VisibilityMask.padding(1), VisibilityMask.causal(1)]);
  const mixed = VisibilityMask.concat([VisibilityMask.causal(2), VisibilityMask.bidirectional(2)]);
  const late = new VisibilityMask({ start: Int32Array.of(1, 1), limit: Int32Array.of(2, 2), allowBlind: true });
  it.each<[string, VisibilityMask, string]>([
    [
      "a tree",
      VisibilityMask.tree([-1, 0, 0]),
      "token 1 of row 0: in a causal document [0, 3) start is 1 and limit 3, got start 1 and limit 2",
    ],
    [
      "a prefix",
      VisibilityMask.prefixLm(2, 4),
      "token 2 of row 0: in a bidirectional document [0, 4) start is 0 and limit 4",
    ],
    ["padding between", spaced, "token 3 of row 0: it follows padding, which must be at the end"],
    ["both kinds", mixed, "token 3 of row 0: in a causal document [2, 4) start is 3 and limit 4, got start 2"],
    ["who don't see themselves", late, "token 0 of row 0: in a causal document [0, 2) start is 0"],
  ])("refuses %s", (_, mask, message) => {
    expect(() => mask.toCuSeqlens()).toThrow(message);
    expect(() => mask.toCuSeqlens()).toThrow("cu_seqlens can only say documents one after another");
  });

  it("refuses a window over positions that jump", () => {
    const mask = new VisibilityMask({
      start: Int32Array.of(0, 1),
      limit: Int32Array.of(2, 2),
      positions: Int32Array.of(0, 5),
    });
    expect(() => mask.toCuSeqlens({ window: 2 })).toThrow(
      "token 1 of row 0: a window needs positions that count up by one",
    );
  });
});
