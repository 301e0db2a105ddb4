import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesByChar, spellBytes, unspellBytes } from "../../src/data/byte-alphabet.js";
import { forEachPreToken } from "../../src/data/pre-tokenize.js";
import { PreTokenCounts, trainBpe } from "../../src/data/train-bpe.js";
import { expectCaiError, gpt2Pattern, makeDocuments } from "./helpers.js";

/** Sennrich's loop as it is written down: count all pairs anew, merge the best, again. */
function naiveMerges(texts: readonly string[], steps: number): string[] {
  const words: string[][] = [];
  for (const text of texts) {
    for (const preToken of preTokens(text)) words.push(Array.from(Buffer.from(preToken), (byte) => `${byte}`));
  }
  const idOf = new Map(bytesByChar.map((byte, rank) => [`${byte}`, rank]));
  const merges: string[] = [];
  while (merges.length < steps) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${word[i - 1]}|${word[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const ids = (pair: string) => pair.split("|").map((token) => idOf.get(token) as number);
    const [best] = [...counts].sort(([a, n], [b, m]) => {
      const [a0 = 0, a1 = 0] = ids(a);
      const [b0 = 0, b1 = 0] = ids(b);
      return m - n || a0 - b0 || a1 - b1;
    });
    if (!best || best[1] < 2) break;
    const [left, right] = best[0].split("|");
    const joined = `${left},${right}`;
    if (!idOf.has(joined)) idOf.set(joined, idOf.size);
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i++)
        if (word[i] === left && word[i + 1] === right) word.splice(i, 2, joined);
    }
    merges.push(`${left}+${right}`);
  }
  return merges;
}

function preTokens(text: string): string[] {
  const found: string[] = [];
  forEachPreToken(text, (preToken) => found.push(preToken));
  return found;
}

/** Merges as the bytes of their two sides. */
function mergesOf(texts: readonly string[], vocabSize: number): string[] {
  const { tokens, merges } = trainBpe(texts, { vocabSize });
  return merges.map(([a, b]) => `${tokens[a]?.join(",")}+${tokens[b]?.join(",")}`);
}

describe("trainBpe", () => {
  it("finds the merges that counting all pairs anew at each step finds", () => {
    const texts = makeDocuments(15).map(({ text }) => text);
    expect(mergesOf(texts, 257 + 100)).toEqual(naiveMerges(texts, 100));
  });

  it("finds them on any text, with runs and ties", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "c", " ", "\n", "é"), maxLength: 60 });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 4 }), (texts) => {
        expect(mergesOf(texts, 257 + 20)).toEqual(naiveMerges(texts, 20));
      }),
      { numRuns: 150 },
    );
  });

  it("never makes two tokens of the same bytes", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 20, maxLength: 200 });
    fc.assert(
      fc.property(letters, (text) => {
        const spellings = trainBpe([text, text], { vocabSize: 400 }).tokens.map((bytes) => bytes.join());
        expect(new Set(spellings).size).toBe(spellings.length);
      }),
    );
  });

  it("depends on counts only, not on the order of the texts", () => {
    const texts = makeDocuments(20).map(({ text }) => text);
    expect(trainBpe([...texts].reverse(), { vocabSize: 400 })).toEqual(trainBpe(texts, { vocabSize: 400 }));
  });

  it("puts special tokens first, then all bytes, and stops when no pair occurs twice", () => {
    const { tokens, merges, specialTokens } = trainBpe(["abab"], { vocabSize: 1000 });
    expect(specialTokens).toEqual(["<|endoftext|>"]);
    expect(tokens[0]).toHaveLength(0);
    expect(new Set(tokens.slice(1, 257).map((bytes) => bytes[0])).size).toBe(256);
    expect(merges).toHaveLength(1);
    expect(tokens).toHaveLength(258);
  });

  it("makes nothing but bytes of no text", () => {
    expect(trainBpe([], { vocabSize: 500 }).tokens).toHaveLength(257);
  });

  it("stays fast on one endless pre-token", () => {
    const started = performance.now();
    trainBpe(["abcd".repeat(100_000)], { vocabSize: 300 });
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it("refuses a vocabulary that cannot hold the bytes, and special tokens that text could spell", async () => {
    await expectCaiError(() => trainBpe([], { vocabSize: 256 }), "E_ARGUMENT", "257", "256");
    await expectCaiError(() => trainBpe([], { vocabSize: 1.5e3 + 0.5 }), "E_ARGUMENT", "1500.5");
    await expectCaiError(() => trainBpe([], { vocabSize: 300, specialTokens: ["the"] }), "E_ARGUMENT", '"the"');
    const twice = ["<|a|>", "<|a|>"];
    await expectCaiError(() => trainBpe([], { vocabSize: 300, specialTokens: twice }), "E_ARGUMENT", "once");
  });
});

describe("pre-tokens", () => {
  it("are GPT-2's", () => {
    expect(preTokens("It's 12 o'clock,  he'll   say:\n\n\tOh!")).toEqual([
      "It",
      "'s",
      " 12",
      " o",
      "'",
      "clock",
      ",",
      " ",
      " he",
      "'ll",
      "  ",
      " say",
      ":",
      "\n\n",
      "\t",
      "Oh",
      "!",
    ]);
  });

  it("cover any text without gaps, and each alone is one pre-token", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        const found = preTokens(text);
        expect(found.join("")).toBe(text);
        expect(found.flatMap(preTokens)).toEqual(found);
      }),
    );
  });

  it("of a text longer than a slice are those of the text as a whole", () => {
    const piece = "we'll see  the\u{10400}\u{10401} whale's \n\n run ";
    const long = piece.repeat(Math.ceil(1.3e6 / piece.length));
    for (const offset of [0, 1, 2, 5, 13]) {
      const text = long.slice(offset);
      expect(preTokens(text).join("|") === (text.match(gpt2Pattern) ?? []).join("|")).toBe(true);
    }
    const run = "x".repeat(3e6);
    expect(preTokens(`${run} y`)).toEqual([run, " y"]);
  });
});

describe("PreTokenCounts", () => {
  it("counts each pre-token, lone surrogates as U+FFFD", () => {
    const counts = new PreTokenCounts();
    counts.add("a a\ud800");
    counts.add(" a");
    expect([...counts.counts]).toEqual([
      ["a", 1],
      [" a", 2],
      ["\ufffd", 1],
    ]);
  });
});

describe("the byte alphabet", () => {
  it("spells every byte with a printable character of its own", () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const spelling = spellBytes(all);
    expect(new Set(spelling).size).toBe(256);
    expect(spelling).not.toMatch(/[\s\p{C}]/u);
    expect(unspellBytes(spelling)).toEqual(all);
    expect(spellBytes(Buffer.from(" A\n"))).toBe("ĠAĊ");
    expect(unspellBytes("€")).toBeUndefined();
  });
});
