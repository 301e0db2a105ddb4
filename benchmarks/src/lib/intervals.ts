/** The mean of some values and how far it may be off. */
export interface Interval {
  readonly mean: number;
  /** Half the width of the two-sided 95 % interval by Student's t; null for a single value, which tells nothing of it. */
  readonly halfWidth95: number | null;
}

/** Quantiles 0.975 of Student's t with 1, 2, ... degrees of freedom. */
const studentT975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** The arithmetic mean. @throws RangeError for no values. */
export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("mean: expected at least one value, got none");
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The standard deviation of the population that the values were drawn from, by n − 1. @throws RangeError below two. */
export function standardDeviation(values: readonly number[]): number {
  if (values.length < 2) throw new RangeError(`standardDeviation: expected two values or more, got ${values.length}`);
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/**
 * Mean and 95 % interval: mean ± t · s / √n, for values that are independent and about normal.
 *
 * @throws RangeError for no values, or more than 31: the table of t ends there.
 */
export function interval95(values: readonly number[]): Interval {
  const count = values.length;
  if (count < 2) return { mean: mean(values), halfWidth95: null };
  const t = studentT975[count - 2];
  if (t === undefined) throw new RangeError(`interval95: expected 31 values at most, got ${count}`);
  return { mean: mean(values), halfWidth95: (t * standardDeviation(values)) / Math.sqrt(count) };
}

/**
 * The ratios of what was measured in pairs, value by value: what both have in common (a seed, its data) cancels out, so
 * that the interval is narrower than that of the two means.
 *
 * @throws RangeError when the two differ in length.
 */
export function pairedRatio(values: readonly number[], references: readonly number[]): Interval {
  if (values.length !== references.length) {
    throw new RangeError(
      `pairedRatio: expected as many references as values, got ${references.length} and ${values.length}`,
    );
  }
  return interval95(values.map((value, i) => value / (references[i] as number)));
}
