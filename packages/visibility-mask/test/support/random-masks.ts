import fc from "fast-check";
import { VisibilityMask } from "../../src/mask.js";

/** Parents of up to `most` tokens in depth-first order: each hangs on a token of the path to the one before it, or is a root. */
export function parents(most = 40): fc.Arbitrary<number[]> {
  return fc.array(fc.nat(), { minLength: 1, maxLength: most }).map((choices) => {
    const path: number[] = [];
    return choices.map((choice, i) => {
      path.length -= path.length === 0 ? 0 : choice % (path.length + 1);
      const parent = path.at(-1) ?? -1;
      path.push(i);
      return parent;
    });
  });
}

const size = fc.integer({ min: 1, max: 40 });
const lengths = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 6 });

/** One row of any pattern. */
export const row: fc.Arbitrary<VisibilityMask> = fc.oneof(
  size.map((seqLen) => VisibilityMask.causal(seqLen)),
  size.map((seqLen) => VisibilityMask.bidirectional(seqLen)),
  size.chain((seqLen) => fc.nat({ max: seqLen }).map((prefix) => VisibilityMask.prefixLm(prefix, seqLen))),
  parents().map((list) => VisibilityMask.tree(list)),
  fc
    .tuple(lengths, fc.nat({ max: 9 }))
    .map(([list, spare]) => VisibilityMask.packed(list, { seqLen: list.reduce((sum, n) => sum + n, spare) })),
  fc.tuple(size, lengths).map(([prompt, answers]) => VisibilityMask.sharedPrompt(prompt, answers)),
  fc
    .record({ promptLength: size, beams: fc.integer({ min: 1, max: 5 }), length: fc.integer({ min: 1, max: 8 }) })
    .map((shape) => VisibilityMask.beams(shape)),
  fc.nat({ max: 9 }).map((seqLen) => VisibilityMask.padding(seqLen)),
);

/** Intervals and positions of no pattern: any start, limit and position, with tokens that see nobody. */
export const anyArrays: fc.Arbitrary<VisibilityMask> = size.chain((seqLen) => {
  const numbers = (max: number) => fc.array(fc.nat({ max }), { minLength: seqLen, maxLength: seqLen });
  return fc
    .tuple(numbers(seqLen), numbers(seqLen), fc.option(numbers(12), { nil: undefined }))
    .map(([a, b, positions]) => {
      const start = Int32Array.from(a, (value, j) => Math.min(value, b[j] as number));
      const limit = Int32Array.from(a, (value, j) => Math.max(value, b[j] as number));
      return new VisibilityMask({
        start,
        limit,
        positions: positions && Int32Array.from(positions),
        allowBlind: true,
      });
    });
});

/** Batches of rows of mixed patterns, joined and padded to one length, beside unstructured ones. */
export const mask: fc.Arbitrary<VisibilityMask> = fc.oneof(
  { weight: 1, arbitrary: anyArrays },
  { weight: 3, arbitrary: row },
  {
    weight: 3,
    arbitrary: fc.array(fc.array(row, { maxLength: 3 }), { minLength: 1, maxLength: 3 }).map((rows) => {
      const length = (parts: readonly VisibilityMask[]) => parts.reduce((sum, part) => sum + part.seqLen, 0);
      const seqLen = Math.max(...rows.map(length));
      return VisibilityMask.stack(rows.map((parts) => VisibilityMask.concat(parts, { seqLen })));
    }),
  },
);

/** None, or a window about as wide as rows are long. */
export const window: fc.Arbitrary<number> = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20 }));

/** Every cell by the definition alone: start[j] ≤ i < limit[j], and with a window 0 ≤ positions[i] − positions[j] < w. */
export function bruteForce({ batchSize, seqLen, start, limit, positions }: VisibilityMask, width = 0): Uint8Array {
  const dense = new Uint8Array(batchSize * seqLen * seqLen);
  for (let b = 0; b < batchSize; b++) {
    const at = b * seqLen;
    for (let i = 0; i < seqLen; i++) {
      for (let j = 0; j < seqLen; j++) {
        const distance = positions ? (positions[at + i] as number) - (positions[at + j] as number) : i - j;
        const inside = i >= (start[at + j] as number) && i < (limit[at + j] as number);
        const near = width === 0 || (distance >= 0 && distance < width);
        if (inside && near) dense[(at + i) * seqLen + j] = 1;
      }
    }
  }
  return dense;
}
