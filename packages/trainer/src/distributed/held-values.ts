/** Elements [begin, end) of the flat parameter memory. */
export interface FlatRange {
  readonly begin: number;
  readonly end: number;
}

/** Values for some ranges of the flat parameter memory, in rising order, one range behind the other. */
export interface HeldValues {
  readonly ranges: readonly FlatRange[];
  readonly values: Float32Array;
}

export function lengthOf(ranges: readonly FlatRange[]): number {
  return ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
}

/** What is held for one of the ranges. */
export function heldFor({ ranges, values }: HeldValues, { begin, end }: FlatRange): Float32Array {
  const offset = lengthOf(ranges.filter((range) => range.begin < begin));
  return values.subarray(offset, offset + end - begin);
}

/** What is held for a part of one of the ranges. */
export function heldWithin({ ranges, values }: HeldValues, { begin, end }: FlatRange): Float32Array {
  const index = ranges.findIndex((range) => range.begin <= begin && end <= range.end);
  const offset = lengthOf(ranges.slice(0, index)) + begin - (ranges[index] as FlatRange).begin;
  return values.subarray(offset, offset + end - begin);
}
