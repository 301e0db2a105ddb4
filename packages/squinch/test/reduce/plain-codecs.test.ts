import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bf16Codec, float32Codec } from "../../src/index.js";

const context = { seed: 0, stream: 0 };

/** Encodes into memory that begins at an odd place, as a container's might, and decodes from there. */
function roundTrip(codec: typeof bf16Codec, x: Float32Array, scale = 1, out = new Float32Array(x.length)) {
  const bytes = new Uint8Array(codec.bytes(x.length) + 1).subarray(1);
  codec.encode(x, bytes, context);
  codec.decode(bytes, out, { accumulate: false, scale });
  return out;
}

describe("float32Codec", () => {
  it("gives every bit back, from any place in memory", () => {
    fc.assert(
      fc.property(fc.float32Array({ maxLength: 40 }), (x) => {
        expect(new Uint32Array(roundTrip(float32Codec, x).buffer)).toEqual(new Uint32Array(x.slice().buffer));
      }),
    );
  });
});

describe("bf16Codec", () => {
  it("rounds to the nearest value, ties to even, and keeps what is not finite", () => {
    const cases: [number, number][] = [
      [1 + 2 ** -8, 1],
      [1 + 3 * 2 ** -8, 1 + 2 ** -6],
      [1 + 2 ** -8 + 2 ** -20, 1 + 2 ** -7],
      [-3.4e38, Number.NEGATIVE_INFINITY],
      [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
      [Number.NaN, Number.NaN],
      [-0, -0],
      [2 ** -149, 0],
    ];
    for (const [x, rounded] of cases) expect([...roundTrip(bf16Codec, Float32Array.of(x))]).toEqual([rounded]);
    const payload = new Float32Array(Uint32Array.of(0x7f800001, 0xffffffff).buffer);
    expect([...roundTrip(bf16Codec, payload)]).toEqual([Number.NaN, Number.NaN]);
  });

  it("adds and scales in float32", () => {
    const out = Float32Array.of(1, 2);
    const bytes = new Uint8Array(4);
    for (const codec of [bf16Codec, float32Codec]) {
      const x = Float32Array.of(3, -5);
      const target = out.slice();
      const into = codec === bf16Codec ? bytes : new Uint8Array(8);
      codec.encode(x, into, context);
      codec.decode(into, target, { accumulate: true, scale: 0.1 });
      const tenth = Math.fround(0.1);
      expect([...target]).toEqual([Math.fround(1 + Math.fround(3 * tenth)), Math.fround(2 + Math.fround(-5 * tenth))]);
    }
  });
});
