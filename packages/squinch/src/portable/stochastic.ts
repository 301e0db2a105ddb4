import { philoxInto } from "@cai/portable/philox";
import { blockOf, codeOf, type Lookup } from "./lookup.js";

const words = new Uint32Array(8);
const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
const twoTo32 = 2 ** 32;

/** Which random words: the key, the stream, and the index of the first value. */
export interface RandomWords {
  readonly keyLow: number;
  readonly keyHigh: number;
  readonly streamLow: number;
  readonly streamHigh: number;
}

/**
 * Encodes whole blocks of `x` from `start` into `out` from `position`, each value to one of its two neighbours, so that
 * the mean of what is decoded is the value. Value `start + i` uses word `index + i` of the stream.
 *
 * @param index a multiple of 8. @returns as `encodeNearest`.
 */
export function encodeStochastic(
  x: Float32Array,
  start: number,
  blocks: number,
  out: Uint8Array,
  position: number,
  lookup: Lookup,
  random: RandomWords,
  index: number,
): number {
  let zeros = 0;
  for (let block = 0; block < blocks; block++) {
    const first = start + 8 * block;
    const o = position + 6 * block;
    const largest = largestOf(x, first);
    if (!(largest < Number.POSITIVE_INFINITY)) return -1;
    out.fill(0, o, o + 6);
    if (largest === 0) continue;
    const q = coveringMaximum(largest, lookup);
    out[o] = q;
    drawWords(random, index / 4 + 2 * block);
    for (let i = 0; i < 8; i++) {
      const value = x[first + i] as number;
      if (value === 0) zeros++;
      const signedCode = roundedCode(value, words[i] as number, q, lookup);
      out[o + 1] = (out[o + 1] as number) | ((signedCode >> 4) << i);
      const byte = o + 2 + (i >> 1);
      out[byte] = (out[byte] as number) | ((signedCode & 15) << (4 * (i & 1)));
    }
  }
  return zeros;
}

function largestOf(x: Float32Array, first: number): number {
  let largest = 0;
  for (let i = first; i < first + 8; i++) largest = Math.max(largest, Math.abs(x[i] as number));
  return largest;
}

/** The smallest q_max from 1 whose top level is at least `largest`; 255 if none is. */
function coveringMaximum(largest: number, { blockCells, blockBounds, values }: Lookup): number {
  float[0] = largest;
  const q = Math.max(1, blockOf(bits[0] as number, blockCells, blockBounds));
  return q < 255 && largest > (values[32 * q + 15] as number) ? q + 1 : q;
}

/** Both Philox blocks of a block of values. */
function drawWords({ keyLow, keyHigh, streamLow, streamHigh }: RandomWords, counter: number): void {
  const high = Math.floor(counter / twoTo32);
  philoxInto(words, 0, keyLow, keyHigh, counter >>> 0, high, streamLow, streamHigh);
  // An even counter's successor has the same high word.
  philoxInto(words, 4, keyLow, keyHigh, (counter + 1) >>> 0, high, streamLow, streamHigh);
}

/** Sign (in bit 4) and code for one value and one uniform 32-bit word. */
function roundedCode(value: number, word: number, q: number, lookup: Lookup): number {
  const { codeCells, codeBounds, values, inverses } = lookup;
  const a = Math.abs(value);
  float[0] = a * (inverses[q] as number);
  let code = codeOf(bits[0] as number, codeCells, codeBounds);
  // A level lies between its code's thresholds, so the nearest code is one of the two neighbours.
  if (a < (values[32 * q + code] as number)) code--;
  if (code < 0) {
    const level = values[32 * q] as number;
    return word * (2 * level) < (value + level) * twoTo32 ? 0 : 16;
  }
  if (code < 15) {
    const low = values[32 * q + code] as number;
    const high = values[32 * q + code + 1] as number;
    if (word * (high - low) < (a - low) * twoTo32) code++;
  }
  return value < 0 && (code > 0 || lookup.signedZero === 1) ? 16 + code : code;
}
