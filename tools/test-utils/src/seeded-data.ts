/** splitmix32: enough for test data, and needs nothing that is under test. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 4294967296;
  };
}

/** `count` normal values of standard deviation `scale`, the same for the same seed. */
export function randomFloats(count: number, seed: number, scale = 1): Float32Array {
  const next = generator(seed);
  return Float32Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return scale * radius * Math.cos(2 * Math.PI * next());
  });
}

/** `count` integers from 0 to `below` − 1. */
export function randomInts(count: number, below: number, seed: number): Int32Array {
  const next = generator(seed);
  return Int32Array.from({ length: count }, () => Math.floor(next() * below));
}

/** Lays a row-major [rows, columns] array out with `stride` elements a row, from `offset`; the gaps hold NaN. */
export function stridedRows(
  data: Float32Array,
  rows: number,
  columns: number,
  stride: number,
  offset = 0,
): Float32Array {
  const out = new Float32Array(offset + rows * stride).fill(Number.NaN);
  for (let row = 0; row < rows; row++) {
    out.set(data.subarray(row * columns, (row + 1) * columns), offset + row * stride);
  }
  return out.subarray(offset);
}
