import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { decode } from "../src/decode.js";
import { encode, encodeInto } from "../src/encode.js";
import { encodedLength } from "../src/format.js";
import { isCaiError } from "../src/index.js";

/** What a call throws: a CaiError's code and message. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isCaiError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const anything = (value: unknown) => value as never;
const shared = (bytes: number) => new SharedArrayBuffer(bytes);

function detached(bytes: number): ArrayBuffer {
  const buffer = new ArrayBuffer(bytes);
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}

function detachedFloats(n: number): Float32Array {
  const array = new Float32Array(n);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

const resizable = (bytes: number) =>
  new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(bytes, { maxByteLength: 2 * bytes });

describe("decode refuses", () => {
  const bytes = encode(Float32Array.of(1, 2, 3));

  it("bytes of another length than those of n values", () => {
    const expected = "E_FORMAT squinch.decode: 3 values take 6 bytes, got 5: check n, gain and the sender";
    expect(refusal(() => decode(bytes.subarray(0, 5), 3))).toBe(expected);
    expect(refusal(() => decode(new Uint8Array(7), 3))).toContain("got 7");
    expect(refusal(() => decode(bytes, 9))).toContain("9 values take 12 bytes, got 6");
    expect(refusal(() => decode(bytes, 2 ** 52))).toContain("E_FORMAT");
    expect(refusal(() => decode(bytes, 3, { gain: true }))).toContain("3 values and a gain take 10 bytes, got 6");
    expect(refusal(() => decode(new Uint8Array(0), 1))).toContain("got 0");
  });

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "3", undefined, null, 3n])("n = %s", (n) => {
    expect(refusal(() => decode(bytes, anything(n)))).toMatch(
      /^E_ARGUMENT .*n must be a non-negative safe integer, got /,
    );
  });

  it.each([
    [undefined, "got undefined"],
    [null, "got null"],
    ["AAAA", 'got "AAAA"'],
    [[1, 2, 3, 4, 5, 6], "got an array"],
    [{ length: 6 }, "got an object"],
    [new ArrayBuffer(6), "got an object"],
    [new DataView(new ArrayBuffer(6)), "got an object"],
    [new Uint8ClampedArray(6), "got Uint8ClampedArray"],
    [new Int8Array(6), "got Int8Array"],
  ])("bytes that are no Uint8Array: %s", (value, got) => {
    const message = refusal(() => decode(anything(value), 3));
    expect(message).toMatch(/^E_ARGUMENT .*bytes must be a Uint8Array, got /);
    expect(message).toContain(got);
  });

  it("an object that pretends to be a Uint8Array", () => {
    const pretender = Object.create(Uint8Array.prototype, { length: { value: 6 } });
    expect(refusal(() => decode(pretender, 3))).toContain("bytes must be a Uint8Array");
  });

  it("shared, resizable and detached memory", () => {
    expect(refusal(() => decode(new Uint8Array(shared(6)), 3))).toContain(
      "bytes must be over an ArrayBuffer of fixed size, got shared",
    );
    expect(refusal(() => decode(new Uint8Array(resizable(6)), 3))).toContain("got resizable memory: copy it first");
    const gone = new Uint8Array(6);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect(refusal(() => decode(gone, 0))).toContain("got detached memory");
    expect(refusal(() => decode(bytes, 3, { out: new Float32Array(shared(12)) }))).toContain("out must be over");
    expect(refusal(() => decode(new Uint8Array(0), 0, { out: detachedFloats(3) }))).toContain("out must be over");
    expect(detached(3).byteLength).toBe(0);
  });

  it("an out of another length or type, or over the bytes", () => {
    expect(refusal(() => decode(bytes, 3, { out: new Float32Array(4) }))).toBe(
      "E_SHAPE squinch.decode: out must have 3 elements (n), got 4",
    );
    expect(refusal(() => decode(bytes, 3, { out: anything(new Float64Array(3)) }))).toContain("got Float64Array");
    const memory = new ArrayBuffer(32);
    const overlapping = { out: new Float32Array(memory, 4, 3) };
    expect(refusal(() => decode(new Uint8Array(memory, 0, 6), 3, overlapping))).toContain(
      "bytes and out must not overlap",
    );
    expect(decode(new Uint8Array(memory, 16, 6), 3, overlapping)).toEqual(new Float32Array(3));
  });

  it("options of a wrong type or name", () => {
    expect(refusal(() => decode(bytes, 3, anything(null)))).toContain(
      "options must be an object or left out, got null",
    );
    expect(refusal(() => decode(bytes, 3, { scale: Number.NaN }))).toContain("scale must be a finite float32, got NaN");
    expect(refusal(() => decode(bytes, 3, { scale: 1e39 }))).toContain("scale must be a finite float32");
    expect(refusal(() => decode(bytes, 3, { scale: anything("2") }))).toContain("scale");
    expect(refusal(() => decode(bytes, 3, { accumulate: anything(1) }))).toContain(
      "accumulate must be true or false, got 1",
    );
    expect(refusal(() => decode(bytes, 3, { accumulate: true }))).toContain("accumulate needs the out to add to");
    expect(refusal(() => decode(bytes, 3, { codebook: anything("int4") }))).toContain(
      "codebook must be sqrt or adam or lloyd, got int4",
    );
  });
});

describe("encode refuses", () => {
  const x = Float32Array.of(1, 2, 3);

  it("what is neither float32 nor bfloat16 bits", () => {
    expect(refusal(() => encode(anything([1, 2])))).toBe(
      "E_ARGUMENT squinch.encode: x must be a Float32Array or Uint16Array, got an array",
    );
    expect(refusal(() => encode(anything(new Float64Array(2))))).toContain("got Float64Array");
    expect(refusal(() => encode(anything(undefined)))).toContain("got undefined");
  });

  it("an out that is too short, too long or of another type", () => {
    expect(refusal(() => encode(x, { out: new Uint8Array(5) }))).toBe(
      "E_SHAPE squinch.encode: out must have 6 elements (encodedLength of 3 values), got 5",
    );
    expect(refusal(() => encode(x, { out: new Uint8Array(10) }))).toContain("got 10");
    expect(refusal(() => encode(x, { out: new Uint8Array(6), gain: true }))).toContain("must have 10 elements");
    expect(refusal(() => encodeInto(x, anything(new Int8Array(6))))).toContain(
      "out must be a Uint8Array, got Int8Array",
    );
  });

  it("shared, resizable, detached and overlapping memory", () => {
    expect(refusal(() => encode(new Float32Array(shared(8))))).toContain(
      "x must be over an ArrayBuffer of fixed size, got shared",
    );
    expect(refusal(() => encode(new Float32Array(resizable(8))))).toContain("got resizable memory");
    expect(refusal(() => encode(detachedFloats(2)))).toContain("got detached memory");
    const memory = new ArrayBuffer(64);
    const floats = new Float32Array(memory, 0, 3);
    expect(refusal(() => encode(floats, { out: new Uint8Array(memory, 8, 6) }))).toContain(
      "out and x must not overlap",
    );
    const residual = new Float32Array(memory, 8, 3);
    const residualOut = new Float32Array(memory, 12, 3);
    expect(refusal(() => encode(x, { residual, residualOut }))).toContain("residualOut and residual must not overlap");
    expect(refusal(() => encode(floats, { residual: new Float32Array(3), residualOut: floats }))).toContain(
      "residualOut and x",
    );
    expect(refusal(() => encode(x, { residual, out: new Uint8Array(memory, 10, 6) }))).toContain("out and residual");
  });

  it("residuals of another length or type", () => {
    expect(refusal(() => encode(x, { residual: new Float32Array(2) }))).toContain(
      "E_SHAPE squinch.encode: residual must have 3 elements (one for each value of x), got 2",
    );
    expect(refusal(() => encode(x, { residualOut: new Float32Array(4) }))).toContain("residualOut must have 3");
    expect(refusal(() => encode(x, { residual: anything([0, 0, 0]) }))).toContain(
      "residual must be a Float32Array, got an array",
    );
  });

  it("options of a wrong type, name or range", () => {
    expect(refusal(() => encode(x, anything(7)))).toContain("options must be an object");
    expect(refusal(() => encode(x, { rounding: anything("up") }))).toContain(
      'rounding must be nearest or stochastic, got "up"',
    );
    expect(refusal(() => encode(x, { nonFinite: anything("skip") }))).toContain("nonFinite must be error or saturate");
    expect(refusal(() => encode(x, { codebook: anything({}) }))).toContain("codebook must be sqrt or adam or lloyd");
    expect(refusal(() => encode(x, { gain: anything("yes") }))).toContain("gain must be true or false");
    for (const seed of [-1, 0.5, -1n, 2n ** 64n, Number.NaN, 2 ** 53, "1"]) {
      expect(refusal(() => encode(x, { seed: anything(seed) }))).toContain("seed must be a bigint from 0 to 2^64 - 1");
      expect(refusal(() => encode(x, { stream: anything(seed) }))).toContain("stream must be a bigint");
    }
  });
});

describe("encodedLength", () => {
  it("is 6 bytes for 8 values begun, and 4 more for a gain", () => {
    expect([0, 1, 8, 9, 16, 2 ** 40].map((n) => encodedLength(n))).toEqual([0, 6, 6, 12, 12, 6 * 2 ** 37]);
    expect(encodedLength(8, { gain: true })).toBe(10);
    expect(refusal(() => encodedLength(-1))).toContain(
      "E_ARGUMENT encodedLength: n must be a non-negative safe integer, got -1",
    );
  });
});

describe("arrays of other realms and subclasses", () => {
  it("are taken for what they are", () => {
    const foreign = runInNewContext(
      "({ x: Float32Array.of(1, -2, 3), half: Uint16Array.of(0x3f80), bytes: new Uint8Array(6) })",
    );
    expect(encode(foreign.x, { out: foreign.bytes })).toEqual(foreign.bytes);
    expect([...foreign.bytes]).toEqual([...encode(Float32Array.of(1, -2, 3))]);
    expect(encode(foreign.half)).toEqual(encode(Float32Array.of(1)));
    const node = Buffer.from(encode(Float32Array.of(1, -2, 3)));
    expect(decode(node, 3)).toEqual(decode(Uint8Array.from(node), 3));
  });
});
