/** out + values · factor, or values · factor alone, from `begin` on. */
export function addScaled(
  values: Float32Array,
  length: number,
  factor: number,
  out: Float32Array,
  begin: number,
  accumulate: boolean,
): void {
  if (!accumulate) {
    for (let i = 0; i < length; i++) out[begin + i] = (values[i] as number) * factor;
  } else if (factor === 1) {
    for (let i = 0; i < length; i++) out[begin + i] = (out[begin + i] as number) + (values[i] as number);
  } else {
    for (let i = 0; i < length; i++) {
      out[begin + i] = (out[begin + i] as number) + Math.fround((values[i] as number) * factor);
    }
  }
}
