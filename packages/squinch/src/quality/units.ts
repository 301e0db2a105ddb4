import { checkArray, checkLength } from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";

/** What one error of a value is measured by. At most one of the two. */
export interface UnitOptions {
  /** n units u, above 0. Values whose unit is 0, negative or not finite are left out of `adamSnrDb`. */
  unit?: Float32Array;
  /**
   * n second moments v of Adam after the step that used these gradients: u = √v + eps. Neither bias correction nor
   * clipping matters beside eps, since a common factor of all units cancels out.
   */
  secondMoments?: Float32Array;
  /** Adam's eps, beside √v, above 0. Default 1e-8. */
  eps?: number;
}

/** Writes 1/u² of `length` values from `from` to `out` at `to`, 0 for those that are left out. */
export type WeightReader = (from: number, length: number, out: Float64Array, to: number) => void;

/** @throws CaiError `E_ARGUMENT`, `E_SHAPE`. @returns undefined without units. */
export function weightReader(options: UnitOptions, n: number, op: string): WeightReader | undefined {
  const { unit, secondMoments, eps = 1e-8 } = options;
  if (unit !== undefined && secondMoments !== undefined) {
    throw new CaiError("E_ARGUMENT", op, "expected unit or secondMoments, got both: leave one out");
  }
  if (unit !== undefined) {
    checkUnits(unit, "unit", n, op);
    return (from, length, out, to) => {
      for (let i = 0; i < length; i++) out[to + i] = weightOf(unit[from + i] as number);
    };
  }
  if (secondMoments === undefined) return undefined;
  checkUnits(secondMoments, "secondMoments", n, op);
  if (!(eps > 0 && eps < Number.POSITIVE_INFINITY)) {
    throw new CaiError("E_ARGUMENT", op, `eps must be above 0 and finite, got ${eps}: pass Adam's own`);
  }
  return (from, length, out, to) => {
    for (let i = 0; i < length; i++) out[to + i] = weightOf(Math.sqrt(secondMoments[from + i] as number) + eps);
  };
}

function checkUnits(units: Float32Array, name: string, n: number, op: string): void {
  checkArray(units, name, ["Float32Array"], op);
  checkLength(units, name, n, "one for each value of x", op);
}

function weightOf(unit: number): number {
  return unit > 0 && unit < Number.POSITIVE_INFINITY ? 1 / (unit * unit) : 0;
}
