import type { Range } from "./gradient-parts.js";

const blockLength = 8;

/** What an exchange does to some values of a gradient. */
export interface PartQuality {
  /** Values looked at. */
  readonly values: number;
  /** 10 · log10(Σ x² / Σ (decoded − x)²); infinite when nothing was lost. */
  readonly snrDb: number;
  /** The same with each value in units of its own, as Adam sees it. */
  readonly adamSnrDb: number;
  /** Share of exact zeros with a value that is not zero in their block of 8. */
  readonly zeroShare: number;
  /** Mean of (decoded − x) over these zeros as a share of the root mean square of x: it does not average out. */
  readonly zeroBias: number;
  /** Root mean square of what these zeros became in Adam's units, in which gradients are about one. */
  readonly adamZeroRms: number;
}

/**
 * Compares the values of `ranges` in `decoded` with those in `exact`.
 *
 * @param unit what Adam divides by, one for each value; above zero.
 */
export function partQuality(
  exact: Float64Array,
  decoded: Float32Array,
  unit: Float32Array,
  ranges: readonly Range[],
): PartQuality {
  const sum = { values: 0, signal: 0, noise: 0, adamSignal: 0, adamNoise: 0, zeros: 0, zeroError: 0, adamZeroNoise: 0 };
  for (const [begin, end] of ranges) {
    for (let i = begin; i < end; i++) {
      const x = exact[i] as number;
      const error = (decoded[i] as number) - x;
      const u = unit[i] as number;
      sum.signal += x * x;
      sum.noise += error * error;
      sum.adamSignal += (x / u) ** 2;
      sum.adamNoise += (error / u) ** 2;
      if (x !== 0 || !isLive(exact, i)) continue;
      sum.zeros++;
      sum.zeroError += error;
      sum.adamZeroNoise += (error / u) ** 2;
    }
    sum.values += end - begin;
  }
  const rms = Math.sqrt(sum.signal / sum.values);
  return {
    values: sum.values,
    snrDb: decibels(sum.signal, sum.noise),
    adamSnrDb: decibels(sum.adamSignal, sum.adamNoise),
    zeroShare: sum.zeros / sum.values,
    zeroBias: sum.zeros === 0 ? 0 : sum.zeroError / sum.zeros / rms,
    adamZeroRms: sum.zeros === 0 ? 0 : Math.sqrt(sum.adamZeroNoise / sum.zeros),
  };
}

function decibels(signal: number, noise: number): number {
  return 10 * Math.log10(signal / noise);
}

/** Whether the block of value i holds anything but zeros. */
function isLive(values: Float64Array, i: number): boolean {
  const first = i - (i % blockLength);
  for (let k = first; k < first + blockLength; k++) if ((values[k] ?? 0) !== 0) return true;
  return false;
}
