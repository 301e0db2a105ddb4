import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { CodebookName } from "../src/codebook.js";
import { decodeWith, encodeWith, forEachBackend } from "./support/backends.js";
import { bitsOf, floatsOf } from "./support/bits.js";
import { referenceDecode, referenceEncode } from "./support/reference.js";

/** What version 1 of the format has always made of some values. Never change it: a new format has a new version. */
interface Golden {
  name: string;
  codebook: CodebookName;
  /** Present for stochastic rounding. */
  seed?: string;
  stream?: string;
  /** float32 bit patterns, in hexadecimal. */
  values: string;
  bytes: string;
  decoded: string;
}

const path = fileURLToPath(new URL("golden-v1.json", import.meta.url));
const cases = JSON.parse(readFileSync(path, "utf8")) as Golden[];

const floats = (words: string) => floatsOf(words.split(" ").map((word) => Number.parseInt(word, 16)));
const hex = (values: Float32Array) => [...bitsOf(values)].map((bits) => bits.toString(16).padStart(8, "0")).join(" ");

forEachBackend((ops) => {
  it.each(cases)("$name becomes the golden bytes with $codebook, and these the golden values", (golden) => {
    const { codebook, bytes, seed, stream } = golden;
    const x = floats(golden.values);
    const random =
      seed !== undefined && stream !== undefined ? { seed: BigInt(seed), stream: BigInt(stream) } : undefined;
    const encoded = encodeWith(ops, x, { codebook, stochastic: random !== undefined, ...random }).bytes;
    expect(Buffer.from(encoded).toString("hex")).toBe(bytes);
    const stored = Uint8Array.from(Buffer.from(bytes, "hex"));
    expect(hex(decodeWith(ops, stored, new Float32Array(x.length), { codebook }))).toBe(golden.decoded);
    // The tests' own reference is held to the same.
    expect(referenceEncode(x, { codebook, ...(random && { stochastic: random }) })).toEqual(stored);
    expect(hex(referenceDecode(stored, x.length, codebook))).toBe(golden.decoded);
  });
});
