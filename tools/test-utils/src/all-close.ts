export interface AllCloseOptions {
  /** Allowed difference as a share of the larger of |expected| and `scale`. */
  rtol: number;
  /** Allowed difference whatever the size. */
  atol?: number;
}

/** Throws unless actual and expected agree everywhere; NaN equals NaN, infinities must match. Names the worst element. */
export function expectAllClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol, atol = 0 }: AllCloseOptions,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`expected ${expected.length} elements, got ${actual.length}`);
  }
  let worst = -1;
  let worstExcess = 0;
  for (let i = 0; i < actual.length; i++) {
    const a = actual[i] as number;
    const e = expected[i] as number;
    if (Object.is(a, e) || a === e) continue;
    const excess = Number.isFinite(a) && Number.isFinite(e) ? Math.abs(a - e) - (atol + rtol * Math.abs(e)) : Infinity;
    if (excess > worstExcess) {
      worst = i;
      worstExcess = excess;
    }
  }
  if (worst >= 0) {
    throw new Error(
      `element ${worst} of ${actual.length}: expected ${expected[worst]}, got ${actual[worst]} (rtol ${rtol}, atol ${atol})`,
    );
  }
}
