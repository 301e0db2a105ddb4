import { philox4x32, wordsOf } from "@cai/portable/philox";

/**
 * A key for the random numbers of one encoding: the same for the same arguments, and otherwise unrelated, so that ranks,
 * vectors, encodings and steps all draw for themselves.
 *
 * @param seed 0 to 2⁵³ − 1. @param step of the run. @param place which vector of the step, and which encoding of it.
 * @returns 53 bits.
 */
export function seedAt(
  seed: number,
  step: number,
  place: { readonly rank: number; readonly bucket: number; readonly phase: number },
): number {
  const [low, high] = philox4x32(wordsOf(seed, "seed"), [step >>> 0, place.bucket, place.rank, place.phase]);
  return low + (high >>> 11) * 2 ** 32;
}
