import type { Code } from "./codes.js";

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
// Which of the two words has the exponent depends on the machine.
const highWord = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** floor(log2(value)), exactly, of a normal double above 0: a logarithm would round up just below a power of two. */
function exponentOf(value: number): number {
  double[0] = value;
  return (((words[highWord] as number) >>> 20) & 0x7ff) - 1023;
}

/** To the nearest integer, ties to even; `value` is from 0 to 2^51. */
function roundTiesToEven(value: number): number {
  return value + 2 ** 52 - 2 ** 52;
}

function largestOf(x: Float32Array, start: number, end: number): number {
  let largest = 0;
  for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(x[i] as number));
  return largest;
}

/**
 * Linear codes in blocks like Squinch's: 8 values share an 8-bit scale s = exp((q − 128) / 6), the least above the largest
 * magnitude. A value is k · s / (K + 1/2), k = −K to K, K = 2^(bits − 1) − 1, so that the largest is not cut off. With 5 bits
 * a block is 48 bits as well.
 */
export function int(bits: number): Code {
  const top = 2 ** (bits - 1) - 1;
  return {
    name: `int${bits}`,
    bitsPerValue: bits + 1,
    roundTrip(x) {
      const out = new Float32Array(x.length);
      for (let start = 0; start < x.length; start += 8) {
        const end = Math.min(start + 8, x.length);
        const largest = largestOf(x, start, end);
        const q = largest > 0 ? Math.max(0, Math.min(255, Math.floor(6 * Math.log(largest) + 129))) : 0;
        if (q === 0) continue;
        const step = Math.exp((q - 128) / 6) / (top + 0.5);
        for (let i = start; i < end; i++) {
          const k = roundTiesToEven(Math.min(top, Math.abs(x[i] as number) / step));
          out[i] = Math.sign(x[i] as number) * k * step;
        }
      }
      return out;
    },
  };
}

const elements = {
  E2M3: { mantissaBits: 3, bias: 1, largestExponent: 2, largest: 7.5 },
  E3M2: { mantissaBits: 2, bias: 3, largestExponent: 4, largest: 28 },
} as const;

/**
 * MXFP6 of the OCP Microscaling Formats (MX) specification, version 1.0: 32 values share a power of two as E8M0, 2^-127 to
 * 2^127, whose exponent is that of the largest magnitude less the element's largest; elements round to nearest, ties to even,
 * have subnormals and no infinity, and saturate.
 */
export function mxfp6(element: keyof typeof elements): Code {
  const { mantissaBits, bias, largestExponent, largest } = elements[element];
  const quantise = (magnitude: number) => {
    if (magnitude === 0) return 0;
    const step = 2 ** (Math.max(exponentOf(magnitude), 1 - bias) - mantissaBits);
    return Math.min(largest, roundTiesToEven(magnitude / step) * step);
  };
  return {
    name: `mxfp6 ${element}`,
    bitsPerValue: 6 + 8 / 32,
    roundTrip(x) {
      const out = new Float32Array(x.length);
      for (let start = 0; start < x.length; start += 32) {
        const end = Math.min(start + 32, x.length);
        const most = largestOf(x, start, end);
        if (most === 0) continue;
        const scale = 2 ** Math.max(-127, Math.min(127, exponentOf(most) - largestExponent));
        for (let i = start; i < end; i++) {
          out[i] = Math.sign(x[i] as number) * quantise(Math.abs(x[i] as number) / scale) * scale;
        }
      }
      return out;
    },
  };
}
