import { philoxInto } from "@cai/portable/philox";
import { blockOf, codeOf, type Lookup } from "./lookup.js";

const words = new Uint32Array(8);
const twoTo32 = 2 ** 32;
const magnitude = 0x7fffffff;
const infinity = 0x7f800000;

// A float32 and a double, and the same memory as bits: whatever is decided about a value is decided without a branch,
// since random branches can't be foreseen.
const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);
const highHalf = new Uint8Array(Float64Array.of(-0).buffer)[7] === 0 ? 0 : 1;

// For the block being encoded, at k + 1: the decoded value below, and the step to the next. At 0 are −D[0] and 2 · D[0];
// at 16, above D[15], a value so large that nothing is rounded up.
const lows = new Float64Array(17);
const steps = new Float64Array(17);

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
  const { inverses, signedZero } = lookup;
  let zeros = 0;
  let prepared = 0;
  for (let block = 0; block < blocks; block++) {
    const first = start + 8 * block;
    const o = position + 6 * block;
    const largest = largestOf(x, first);
    if (largest >= infinity) return -1;
    const q = largest === 0 ? 0 : coveringMaximum(largest, lookup);
    let signs = 0;
    let codes = 0;
    if (q > 0) {
      if (q !== prepared) prepareSteps(q, lookup);
      prepared = q;
      drawWords(random, index / 4 + 2 * block);
      const inverse = inverses[q] as number;
      for (let i = 0; i < 8; i++) {
        float[0] = x[first + i] as number;
        const value = bits[0] as number;
        zeros += ((value & magnitude) - 1) >>> 31;
        const signedCode = roundedCode(value, words[i] as number, q, inverse, lookup);
        const code = signedCode & 15;
        signs |= ((signedCode >> 4) & (signedZero | (-code >>> 31))) << i;
        codes |= code << (4 * i);
      }
    }
    out[o] = q;
    out[o + 1] = signs;
    out[o + 2] = codes;
    out[o + 3] = codes >> 8;
    out[o + 4] = codes >> 16;
    out[o + 5] = codes >> 24;
  }
  return zeros;
}

/** The bits of the largest magnitude of a block. */
function largestOf(x: Float32Array, first: number): number {
  let largest = 0;
  for (let i = first; i < first + 8; i++) {
    float[0] = x[i] as number;
    const difference = largest - ((bits[0] as number) & magnitude);
    largest -= difference & (difference >> 31);
  }
  return largest;
}

/** The smallest q_max from 1 whose top level is at least the magnitude with these bits; 255 if none is. */
function coveringMaximum(largest: number, { blockCells, blockBounds, values }: Lookup): number {
  const q = Math.max(1, blockOf(largest, blockCells, blockBounds));
  bits[0] = largest;
  return q < 255 && (float[0] as number) > (values[32 * q + 15] as number) ? q + 1 : q;
}

function prepareSteps(q: number, { values }: Lookup): void {
  for (let k = 0; k < 16; k++) {
    lows[k + 1] = values[32 * q + k] as number;
    steps[k + 1] = (values[32 * q + ((k + 1) & 15)] as number) - (values[32 * q + k] as number);
  }
  lows[0] = -(values[32 * q] as number);
  steps[0] = 2 * (values[32 * q] as number);
  lows[16] = 1e290;
  steps[16] = 0;
}

/** Both Philox blocks of a block of values. */
function drawWords({ keyLow, keyHigh, streamLow, streamHigh }: RandomWords, counter: number): void {
  const high = Math.floor(counter / twoTo32);
  philoxInto(words, 0, keyLow, keyHigh, counter >>> 0, high, streamLow, streamHigh);
  // An even counter's successor has the same high word.
  philoxInto(words, 4, keyLow, keyHigh, (counter + 1) >>> 0, high, streamLow, streamHigh);
}

/** Sign (in bit 4) and code for the bits of one value and one uniform 32-bit word. */
function roundedCode(value: number, word: number, q: number, inverse: number, lookup: Lookup): number {
  const { codeCells, codeBounds, valueBits } = lookup;
  const m = value & magnitude;
  bits[0] = m;
  float[0] = (float[0] as number) * inverse;
  const nearest = codeOf(bits[0] as number, codeCells, codeBounds);
  // A level lies between its code's thresholds, so the nearest code is one of the two neighbours.
  const below = nearest + 1 + ((m - (valueBits[32 * q + nearest] as number)) >> 31);
  const belowAll = (below - 1) >> 31;
  // Below all levels the neighbours are both signs of the first, and the value has its sign; otherwise its magnitude counts.
  bits[0] = m | (value & belowAll);
  double[0] = word * (steps[below] as number) - ((float[0] as number) - (lows[below] as number)) * twoTo32;
  const up = (halves[highHalf] as number) >>> 31;
  const negative = ((value >>> 31) & ~belowAll) | ((1 - up) & belowAll);
  return (negative << 4) | ((below - 1 + up) & ~belowAll);
}
