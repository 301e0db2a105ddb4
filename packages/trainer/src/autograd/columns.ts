import { type FloatTensor, floatTensor } from "@cai/native";

/** Columns [first, first + count) of a row-major matrix, as a view. */
export function columns(matrix: FloatTensor, first: number, count: number): FloatTensor {
  const [rows, width] = matrix.shape as [number, number];
  return floatTensor(matrix.data.subarray(first), [rows, count], [width, 1]);
}

/**
 * Heads [first, first + count) of a fused matrix [B·T, heads · D] as a view [B, T, count, D].
 */
export function headsView(
  matrix: FloatTensor,
  { batchSize, headDim }: { batchSize: number; headDim: number },
  first: number,
  count: number,
): FloatTensor {
  const [rows, width] = matrix.shape as [number, number];
  const seqLen = rows / batchSize;
  return floatTensor(
    matrix.data.subarray(first * headDim),
    [batchSize, seqLen, count, headDim],
    [seqLen * width, width, headDim, 1],
  );
}
