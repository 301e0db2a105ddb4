/**
 * Adds a chunk's Σ v·d to report[3] and its Σ d·d to report[4].
 *
 * Eight sums each, one for a place in the block, so that vector code may add in the same order; products of two float32
 * are exact in double precision.
 */
export function addGainSums(
  values: Float32Array,
  from: number,
  decoded: Float32Array,
  blocks: number,
  report: Float64Array,
): void {
  products.fill(0);
  squares.fill(0);
  for (let block = 0; block < blocks; block++) {
    const start = 8 * block;
    for (let i = 0; i < 8; i++) {
      const d = decoded[start + i] as number;
      products[i] = (products[i] as number) + (values[from + start + i] as number) * d;
      squares[i] = (squares[i] as number) + d * d;
    }
  }
  report[3] = (report[3] as number) + pairwise(products);
  report[4] = (report[4] as number) + pairwise(squares);
}

const products = new Float64Array(8);
const squares = new Float64Array(8);

function pairwise(sums: Float64Array): number {
  return sumOfFour(sums, 0) + sumOfFour(sums, 4);
}

function sumOfFour(sums: Float64Array, i: number): number {
  return (sums[i] as number) + (sums[i + 1] as number) + ((sums[i + 2] as number) + (sums[i + 3] as number));
}
