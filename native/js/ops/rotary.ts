import { callNative } from "../load.js";
import type { FloatTensor, IntTensor } from "../tensor.js";

/**
 * Rotary positions: with (c, s) = table[p, i] for a token at position p, every head's pair (a, b) = (x[i], x[i + D/2])
 * becomes (a·c − b·s, b·c + a·s), as Llama has it.
 *
 * @param x [B, T, H, D], D even, outer strides free.
 * @param table [P, D/2, 2]: cosine and sine of each position's angles.
 * @param positions int32 [B, T], each from 0 to P − 1, or null for offset, offset + 1, … in every sequence.
 * @param out [B, T, H, D], outer strides free, overwritten; may be `x`.
 * @param options.inverse turns by the negative angle, which undoes the rotation and is also its gradient.
 * @param options.offset the first token's position where `positions` is null, 0 by default: the length of a key-value
 *   cache. Not added to given positions.
 * @throws CaiError `E_ARGUMENT` naming a position outside the table; `E_SHAPE`, `E_DTYPE`.
 *
 * The same bits for any number of threads. Source: Su et al., 2021.
 */
export function rotary(
  x: FloatTensor,
  table: FloatTensor,
  positions: IntTensor | null,
  out: FloatTensor,
  options: { inverse?: boolean; offset?: number } = {},
): void {
  callNative("rotary", x, table, positions, out, options);
}
