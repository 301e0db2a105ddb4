import { CaiError } from "@cai/native";

/** Elements [begin, end) of the flat parameter memory. */
export interface FlatRange {
  readonly begin: number;
  readonly end: number;
}

/** Values for some ranges of the flat parameter memory, one range behind the other. */
export interface HeldValues {
  readonly ranges: readonly FlatRange[];
  readonly values: Float32Array;
}

export function lengthOf(ranges: readonly FlatRange[]): number {
  return ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
}

/** Where each range begins in the values held for all of them. */
function offsets(ranges: readonly FlatRange[]): number[] {
  let offset = 0;
  return ranges.map(({ begin, end }) => {
    offset += end - begin;
    return offset - (end - begin);
  });
}

/** Copies values that lie one range behind the other to their places in flat memory. */
export function spreadOut({ ranges, values }: HeldValues, flat: Float32Array): void {
  const from = offsets(ranges);
  ranges.forEach(({ begin, end }, i) => {
    flat.set(values.subarray(from[i], (from[i] as number) + end - begin), begin);
  });
}

/** The values of some ranges of flat memory, one range behind the other. */
export function takeOut(ranges: readonly FlatRange[], flat: Float32Array): HeldValues {
  const values = new Float32Array(lengthOf(ranges));
  const to = offsets(ranges);
  ranges.forEach(({ begin, end }, i) => {
    values.set(flat.subarray(begin, end), to[i]);
  });
  return { ranges, values };
}

/**
 * Deals out what ranks held to another set of ranks, so that the sum over ranks stays the same at every element: where j
 * ranks held an element and k ranks will, the i-th of the old ones gives to the (i mod k)-th of the new ones, which starts
 * from zero. The same ranges give the same bits.
 *
 * @param held by old rank. @param ranges by new rank; between them, they must have every element that was held.
 * @throws CaiError `E_FORMAT` when they have not.
 */
export function redistribute(
  held: readonly HeldValues[],
  ranges: readonly (readonly FlatRange[])[],
): { ranges: readonly FlatRange[]; values: Float32Array }[] {
  const given = ranges.map((own) => ({ ranges: own, values: new Float32Array(lengthOf(own)) }));
  const all = [...held.map((each) => each.ranges), ...ranges].flat();
  const cuts = [...new Set(all.flatMap(({ begin, end }) => [begin, end]))].sort((a, b) => a - b);
  for (const [i, begin] of cuts.slice(0, -1).entries()) {
    const end = cuts[i + 1] as number;
    const givers = held.flatMap((each) => sliceOf(each, begin, end));
    const takers = given.flatMap((each) => sliceOf(each, begin, end));
    if (givers.length > 0 && takers.length === 0) {
      const message = `a checkpoint's residual has values for elements ${begin} to ${end}, which this model does not exchange`;
      throw new CaiError("E_FORMAT", "checkpoint", message);
    }
    givers.forEach((giver, j) => {
      addTo(takers[j % takers.length] as Float32Array, giver, j < takers.length);
    });
  }
  return given;
}

/** The values for [begin, end), which no range's border cuts. */
function sliceOf({ ranges, values }: HeldValues, begin: number, end: number): Float32Array[] {
  const from = offsets(ranges);
  const index = ranges.findIndex((range) => range.begin <= begin && end <= range.end);
  if (index < 0) return [];
  const first = (from[index] as number) + begin - (ranges[index] as FlatRange).begin;
  return [values.subarray(first, first + end - begin)];
}

function addTo(target: Float32Array, source: Float32Array, first: boolean): void {
  // A copy keeps the bits of a negative zero.
  if (first) target.set(source);
  else for (let i = 0; i < target.length; i++) target[i] = (target[i] as number) + (source[i] as number);
}
