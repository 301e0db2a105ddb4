/**
 * The gradient of `loss` at `point` by central differences, in double precision: `loss` must compute in doubles.
 *
 * @param step relative to each value's size; the error falls with step², rounding grows with 1 / step.
 */
export function finiteDifference(
  loss: (point: Float64Array) => number,
  point: ArrayLike<number>,
  step = 1e-5,
): Float64Array {
  const x = Float64Array.from(point);
  return x.map((value, i) => {
    const h = step * Math.max(1, Math.abs(value));
    x[i] = value + h;
    const above = loss(x);
    x[i] = value - h;
    const below = loss(x);
    x[i] = value;
    return (above - below) / (2 * h);
  });
}
