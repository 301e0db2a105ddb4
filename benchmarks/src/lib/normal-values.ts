/** Fills `out` with normal values from a table of them whose length is prime: drawing many millions would take longer than a bench. */
export function fillNormal(out: Float32Array): void {
  const size = 4099;
  const table = Float32Array.from({ length: size }, (_, i) => {
    return Math.sqrt(-2 * Math.log((i + 1) / (size + 1))) * Math.cos(i * i);
  });
  for (let i = 0; i < out.length; i += size) out.set(table.subarray(0, Math.min(size, out.length - i)), i);
}
