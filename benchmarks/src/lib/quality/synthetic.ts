import { type CodebookName, compareDecoded, decode, encode } from "@cai/squinch";
import { codes } from "./codes.js";
import { distributions, type Sample } from "./distributions.js";
import { referenceCodebooks, referenceDb, referenceRoundTrip } from "./squinch-reference.js";

/** A figure of one code on one distribution for each seed. */
export interface SyntheticFigure {
  readonly distribution: string;
  readonly code: string;
  readonly bitsPerValue: number;
  readonly snrDb: readonly number[];
  /** Empty where values have no units. */
  readonly adamSnrDb: readonly number[];
  /** To the reference in double precision, in either measure; null for others' codes. */
  readonly differenceDb: number | null;
}

/** Every code on every distribution. */
export function syntheticFigures(count: number, seeds: readonly number[]): SyntheticFigure[] {
  return distributions.flatMap(({ name, draw }) => {
    const samples = seeds.map((seed) => draw(count, seed));
    const difference = Math.max(
      ...referenceCodebooks.map((codebook) => differenceToReference(samples[0] as Sample, codebook)),
    );
    return codes.map((code) => {
      const qualities = samples.map(({ x, unit }) => compareDecoded(x, code.roundTrip(x), { ...(unit && { unit }) }));
      return {
        distribution: name,
        code: code.name,
        bitsPerValue: code.bitsPerValue,
        snrDb: qualities.map(({ snrDb }) => snrDb),
        adamSnrDb: qualities.flatMap(({ adamSnrDb }) => adamSnrDb ?? []),
        differenceDb: code.name.startsWith("squinch") ? difference : null,
      };
    });
  });
}

/** How far encode and decode are from the formulas in double precision, in the measure that differs more. */
function differenceToReference({ x, unit }: Sample, codebook: CodebookName): number {
  const ours = Float64Array.from(decode(encode(x, { codebook }), x.length, { codebook }));
  const theirs = referenceRoundTrip(x, codebook);
  const difference = (by?: Float32Array) => Math.abs(referenceDb(x, ours, by) - referenceDb(x, theirs, by));
  return Math.max(difference(), unit ? difference(unit) : 0);
}
