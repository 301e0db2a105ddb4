import { operationsFor } from "../backend.js";
import { addScaled } from "../portable/add-scaled.js";
import { roundToBf16 } from "../portable/bf16.js";
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
    else operationsFor(x.length).float32ToBf16(x, halves);
    if (halves.buffer !== out.buffer) out.set(new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength));
    return nothingLost;
  },
  decode(bytes, out, { accumulate, scale }) {
    operationsFor(out.length).bf16ToFloat32(halvesOf(bytes), out, { accumulate, scale: Math.fround(scale) });
  },
};

const nothingLost = { nonFinite: 0 };
const float = new Float32Array(1);
const word = new Int32Array(float.buffer);

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
