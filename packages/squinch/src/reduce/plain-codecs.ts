import type { GradientCodec } from "./codec.js";

const blockLength = 8;

/** The values themselves, 4 bytes each; residuals have no part in it. */
export const float32Codec: GradientCodec = {
  name: "float32",
  blockLength,
  bytes: (n) => 4 * n,
  encode(x, out) {
    out.set(new Uint8Array(x.buffer, x.byteOffset, x.byteLength));
    return nothingLost;
  },
  decode(bytes, out, { accumulate, scale }) {
    const values = floatsOf(bytes);
    const factor = Math.fround(scale);
    if (!accumulate && factor === 1) out.set(values);
    else addScaled(values, out.length, factor, out, 0, accumulate);
  },
};

/** bfloat16, rounded to nearest even, 2 bytes each. NaN and infinities travel as themselves. */
export const bf16Codec: GradientCodec = {
  name: "bf16",
  blockLength,
  bytes: (n) => 2 * n,
  encode(x, out, context) {
    const halves = halvesOf(out);
    if (context.residual) encodeWithResidual(x, halves, context.residual, context.residualOut ?? context.residual);
    else encodePlain(x, halves);
    if (halves.buffer !== out.buffer) out.set(new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength));
    return nothingLost;
  },
  decode(bytes, out, { accumulate, scale }) {
    const halves = halvesOf(bytes);
    const factor = Math.fround(scale);
    if (!accumulate && factor === 1) {
      const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
      for (let i = 0; i < words.length; i++) words[i] = (halves[i] as number) << 16;
      return;
    }
    for (let begin = 0; begin < out.length; begin += chunkLength) {
      const length = Math.min(chunkLength, out.length - begin);
      for (let i = 0; i < length; i++) chunkWords[i] = (halves[begin + i] as number) << 16;
      addScaled(chunk, length, factor, out, begin, accumulate);
    }
  },
};

/** Values widened at a time: in the first-level cache. */
const chunkLength = 2048;
const chunk = new Float32Array(chunkLength);
const chunkWords = new Uint32Array(chunk.buffer);

/** out + values · factor, or values · factor alone, from `begin` on. */
function addScaled(
  values: Float32Array,
  length: number,
  factor: number,
  out: Float32Array,
  begin: number,
  accumulate: boolean,
): void {
  if (!accumulate) {
    for (let i = 0; i < length; i++) out[begin + i] = (values[i] as number) * factor;
  } else if (factor === 1) {
    for (let i = 0; i < length; i++) out[begin + i] = (out[begin + i] as number) + (values[i] as number);
  } else {
    for (let i = 0; i < length; i++) {
      out[begin + i] = (out[begin + i] as number) + Math.fround((values[i] as number) * factor);
    }
  }
}

const nothingLost = { nonFinite: 0 };
const float = new Float32Array(1);
const word = new Int32Array(float.buffer);

function encodePlain(x: Float32Array, out: Uint16Array): void {
  // Signed words: arithmetic on them stays in integers.
  const words = new Int32Array(x.buffer, x.byteOffset, x.length);
  for (let i = 0; i < words.length; i++) out[i] = roundToBf16(words[i] as number);
}

function encodeWithResidual(
  x: Float32Array,
  out: Uint16Array,
  residual: Float32Array,
  residualOut: Float32Array,
): void {
  for (let i = 0; i < x.length; i++) {
    const value = Math.fround((x[i] as number) + (residual[i] as number));
    float[0] = value;
    const half = roundToBf16(word[0] as number);
    out[i] = half;
    word[0] = half << 16;
    residualOut[i] = value - (float[0] as number);
  }
}

/** The upper half of a float32's bits (as a signed word), rounded to nearest even; NaN becomes quiet. */
function roundToBf16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + (0x7fff + ((bits >>> 16) & 1))) | 0) >>> 16;
}

/** The bytes as float32 values: the same memory where its alignment allows. */
function floatsOf(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(buffer, byteOffset, bytes.length / 4);
}

/** The same for 16-bit values. */
function halvesOf(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset } = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(buffer, byteOffset, bytes.length / 2);
}
