import type { DecodeJob } from "../native-ops.js";
import { addScaled } from "./add-scaled.js";

/** Values widened at a time: in the first-level cache. */
const chunkLength = 2048;
const chunk = new Float32Array(chunkLength);
const chunkWords = new Uint32Array(chunk.buffer);

/** Rounds to bfloat16, ties to even; a NaN becomes quiet. */
export function float32ToBf16(x: Float32Array, out: Uint16Array): void {
  // Signed words: arithmetic on them stays in integers.
  const words = new Int32Array(x.buffer, x.byteOffset, x.length);
  for (let i = 0; i < words.length; i++) out[i] = roundToBf16(words[i] as number);
}

/** out = round32(x · scale), or round32(out + round32(x · scale)). */
export function bf16ToFloat32(x: Uint16Array, out: Float32Array, { scale, accumulate }: Omit<DecodeJob, "gain">): void {
  if (!accumulate && scale === 1) {
    const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < words.length; i++) words[i] = (x[i] as number) << 16;
    return;
  }
  for (let begin = 0; begin < out.length; begin += chunkLength) {
    const length = Math.min(chunkLength, out.length - begin);
    for (let i = 0; i < length; i++) chunkWords[i] = (x[begin + i] as number) << 16;
    addScaled(chunk, length, scale, out, begin, accumulate);
  }
}

/** The upper half of a float32's bits (as a signed word), rounded to nearest even; NaN becomes quiet. */
export function roundToBf16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + (0x7fff + ((bits >>> 16) & 1))) | 0) >>> 16;
}
