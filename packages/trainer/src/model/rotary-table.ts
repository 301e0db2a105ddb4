import { type FloatTensor, zeros } from "@cai/native";

/**
 * cos and sin of position · theta^(−2i / D) for each position below `maxSeqLen` and each pair i below D / 2:
 * [maxSeqLen, D / 2, 2], computed in doubles.
 */
export function rotaryTable(maxSeqLen: number, headDim: number, theta: number): FloatTensor {
  const half = headDim / 2;
  const table = zeros([maxSeqLen, half, 2]);
  for (let pair = 0; pair < half; pair++) {
    const frequency = theta ** (-pair / half);
    for (let position = 0; position < maxSeqLen; position++) {
      const at = 2 * (position * half + pair);
      table.data[at] = Math.cos(position * frequency);
      table.data[at + 1] = Math.sin(position * frequency);
    }
  }
  return table;
}
