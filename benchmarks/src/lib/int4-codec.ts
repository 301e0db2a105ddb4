import type { EncodeContext } from "@cai/squinch";

/** Values that share a scale. */
const blockLength = 32;
/** 16 bytes of codes, then the scale as two bytes of bfloat16, the low one first: 4.5 bits a value. */
const blockBytes = 18;
const largestCode = 7;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The bits of the nearest bfloat16, ties to even. `value` is finite and not negative. */
function toBf16(value: number): number {
  float[0] = value;
  const word = bits[0] as number;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

function fromBf16(word: number): number {
  bits[0] = word << 16;
  return float[0] as number;
}

/** Infinities become the largest finite values and NaN becomes zero. */
function saturated(value: number): number {
  if (Number.isNaN(value)) return 0;
  return value > 0 ? 3e38 : -3e38;
}

/**
 * Gradients in 4 bits, as a peer: blocks of 32 values, each the nearest of −7 to 7 times a scale in bfloat16 (a seventh
 * of the block's largest magnitude). A zero is exact. What is lost goes to the residual where there is one.
 */
export const int4Codec = {
  name: "int4",
  blockLength,

  bytes(count: number): number {
    return blockBytes * Math.ceil(count / blockLength);
  },

  /** @returns how many values were not finite. */
  encode(
    x: Float32Array,
    out: Uint8Array,
    { residual, residualOut = residual }: Pick<EncodeContext, "residual" | "residualOut">,
  ): { nonFinite: number } {
    const block = new Float32Array(blockLength);
    let nonFinite = 0;
    for (let first = 0, at = 0; first < x.length; first += blockLength, at += blockBytes) {
      const count = Math.min(blockLength, x.length - first);
      let largest = 0;
      block.fill(0);
      for (let i = 0; i < count; i++) {
        const sum = Math.fround((x[first + i] as number) + (residual?.[first + i] ?? 0));
        const value = Number.isFinite(sum) ? sum : saturated(sum);
        if (value !== sum) nonFinite++;
        block[i] = value;
        largest = Math.max(largest, Math.abs(value));
      }
      const scale = encodeBlock(block, toBf16(largest / largestCode), out.subarray(at, at + blockBytes));
      if (!residualOut) continue;
      for (let i = 0; i < count; i++) residualOut[first + i] = (block[i] as number) - scale * code(out, at, i);
    }
    return { nonFinite };
  },

  /** Writes the values times `scale` into `out`, or adds them with `accumulate`. */
  decode(bytes: Uint8Array, out: Float32Array, options: { accumulate?: boolean; scale?: number } = {}): void {
    const { accumulate = false, scale = 1 } = options;
    for (let first = 0, at = 0; first < out.length; first += blockLength, at += blockBytes) {
      const unit = scale * fromBf16((bytes[at + 16] as number) | ((bytes[at + 17] as number) << 8));
      const count = Math.min(blockLength, out.length - first);
      for (let i = 0; i < count; i++) {
        const value = unit * code(bytes, at, i);
        out[first + i] = accumulate ? (out[first + i] as number) + value : value;
      }
    }
  },
};

/** @returns the scale that a reader will use. */
function encodeBlock(values: Float32Array, scaleBits: number, out: Uint8Array): number {
  const scale = fromBf16(scaleBits);
  out.fill(0);
  out[16] = scaleBits & 255;
  out[17] = scaleBits >>> 8;
  if (scale === 0) return 0;
  for (let i = 0; i < blockLength; i++) {
    const nearest = Math.round((values[i] as number) / scale);
    const clipped = Math.max(-largestCode, Math.min(largestCode, nearest));
    out[i >> 1] = (out[i >> 1] as number) | ((clipped & 15) << (4 * (i & 1)));
  }
  return scale;
}

/** The code of value `i` of the block at `at`: −7 to 7. */
function code(bytes: Uint8Array, at: number, i: number): number {
  const nibble = ((bytes[at + (i >> 1)] as number) >> (4 * (i & 1))) & 15;
  return nibble > largestCode ? nibble - 16 : nibble;
}
