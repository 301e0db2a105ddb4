import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { incompleteTail, invalidUtf8At, Utf8Reader, wellFormed } from "../../src/data/utf8.js";
import { expectCaiError } from "./helpers.js";

/** Bytes that are often nearly UTF-8. */
const anyBytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc.string({ unit: "binary", maxLength: 3 }).map((text) => new Uint8Array(Buffer.from(text))),
      fc.constantFrom([0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe0, 0x80], [0xf0, 0x8f]),
    ),
    { maxLength: 6 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

describe("invalidUtf8At", () => {
  it("finds a fault exactly where Node says there is one, at its first byte", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const at = invalidUtf8At(bytes);
        expect(at < 0).toBe(isUtf8(bytes));
        if (at >= 0) expect(isUtf8(bytes.subarray(0, at))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    [[0x61, 0xff], 1],
    [[0xc3], 0],
    [[0x61, 0xe2, 0x82], 1],
    [[0xed, 0xa0, 0x80], 0],
    [[0xf4, 0x8f, 0xbf, 0xbf], -1],
  ])("of %j is %i", (bytes, at) => {
    expect(invalidUtf8At(Uint8Array.from(bytes))).toBe(at);
  });
});

describe("incompleteTail", () => {
  it("is what a cut through any text leaves of a character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 8 }), fc.nat(), (text, cut) => {
        const bytes = Buffer.from(text);
        const head = bytes.subarray(0, cut % (bytes.length + 1));
        expect(isUtf8(head.subarray(0, head.length - incompleteTail(head)))).toBe(true);
        if (isUtf8(head)) expect(incompleteTail(head)).toBe(0);
      }),
    );
  });
});

describe("Utf8Reader", () => {
  it("gives the text however its bytes are cut, without a byte-order mark in front", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 5 })),
        (text, cuts) => {
          const bytes = Buffer.from(text);
          const reader = new Utf8Reader("file");
          let read = "";
          let at = 0;
          for (const cut of [...cuts, bytes.length]) {
            read += reader.push(bytes.subarray(at, at + cut));
            at += cut;
          }
          reader.end();
          expect(read).toBe(text.replace(/^\ufeff/, ""));
        },
      ),
    );
  });

  it("names the byte of a fault, counted from the beginning, and of a cut-off end", async () => {
    const reader = new Utf8Reader("some.txt");
    reader.push(Buffer.from("abc"));
    await expectCaiError(() => reader.push(Uint8Array.of(0x64, 0x80)), "E_FORMAT", "some.txt", "byte 4", "0x80");
    const cut = new Utf8Reader("some.txt");
    cut.push(Uint8Array.of(0x61, 0xe2, 0x82));
    await expectCaiError(() => cut.end(), "E_FORMAT", "byte 1", "0xe2");
  });
});

describe("wellFormed", () => {
  it("replaces lone surrogates only", () => {
    expect(wellFormed("a\ud800b\udc00c\ud83d\ude00")).toBe("a\ufffdb\ufffdc😀");
    expect(wellFormed("plain")).toBe("plain");
  });
});
