import { philox4x32 } from "@cai/native";

const rounds = 6;

/**
 * Where `index` goes under a pseudo-random permutation of the integers from 0 to `size` - 1, in constant memory.
 *
 * A Feistel network over the smallest 2^(2b) that holds `size`, with Philox4x32-10 as its round function, walked again
 * while it leads outside (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").
 *
 * @param size 1 to 2^52
 * @param key the same permutation for the same key and nonce
 * @param nonce two 32-bit words that tell permutations of one key apart
 */
export function permuted(
  index: number,
  size: number,
  key: readonly [number, number],
  nonce: readonly [number, number],
): number {
  const halfBits = Math.max(3, Math.ceil(Math.log2(size) / 2));
  let place = index;
  do place = feistel(place, 2 ** halfBits, key, nonce);
  while (place >= size);
  return place;
}

function feistel(
  value: number,
  half: number,
  key: readonly [number, number],
  [nonce0, nonce1]: readonly [number, number],
): number {
  let left = Math.floor(value / half);
  let right = value % half;
  for (let round = 0; round < rounds; round++) {
    const mixed = philox4x32(key, [right, round, nonce0, nonce1])[0] & (half - 1);
    [left, right] = [right, left ^ mixed];
  }
  return left * half + right;
}
