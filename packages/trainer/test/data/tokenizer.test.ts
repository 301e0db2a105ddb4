import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { spellBytes } from "../../src/data/byte-alphabet.js";
import { formatTokenizerJson, Tokenizer, trainBpe, writeTokenizerJson } from "../../src/data/index.js";
import { expectCaiError, gpt2Pattern, makeDocuments, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();
const texts = makeDocuments(60).map(({ text }) => text);
const model = trainBpe(texts, { vocabSize: 600 });
const json = formatTokenizerJson(model);
const tokenizer = new Tokenizer(json);
const library = new Library(JSON.parse(json), {});

/** Any Unicode text, with what is known to go wrong among it. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 12 }),
      fc.constantFrom(
        "\u0301",
        "👩‍🚀",
        "\r\n",
        "\0",
        "\ufeff",
        "<|endoftext|>",
        "\u0085",
        "  ",
        "'ll",
        "the whale",
        "\u00a0",
      ),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(""));

/** BPE with nothing clever: the GPT-2 pattern written out, then the merge of lowest rank until none applies. */
function independentEncode(text: string): number[] {
  const { vocab, merges } = (JSON.parse(json) as { model: { vocab: Record<string, number>; merges: string[][] } })
    .model;
  const ranks = new Map(merges.map(([a, b], rank) => [`${a} ${b}`, rank]));
  return (text.match(gpt2Pattern) ?? []).flatMap((preToken) => {
    const parts = [...spellBytes(Buffer.from(preToken))];
    for (;;) {
      let best = -1;
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = ranks.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity;
        const bestRank = best < 0 ? Infinity : (ranks.get(`${parts[best]} ${parts[best + 1]}`) ?? Infinity);
        if (rank < bestRank) best = i;
      }
      if (best < 0) return parts.map((part) => vocab[part] as number);
      parts.splice(best, 2, `${parts[best]}${parts[best + 1]}`);
    }
  });
}

describe("Tokenizer", () => {
  it("gives the ids of the library and of an independent encoder", () => {
    for (const text of texts) {
      const ids = Array.from(tokenizer.encode(text));
      expect(ids).toEqual(independentEncode(text));
      expect(ids).toEqual(library.encode(text).ids);
    }
  });

  it("gives them for any text, special tokens told apart by the library's own option", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(Array.from(tokenizer.encode(text))).toEqual(independentEncode(text));
        expect(Array.from(tokenizer.encode(text, { special: true }))).toEqual(library.encode(text).ids);
      }),
      { numRuns: 200 },
    );
  });

  it("gives any well-formed text back", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
        expect(tokenizer.decode(tokenizer.encode(text, { special: true }))).toBe(text);
      }),
      { numRuns: 200 },
    );
  });

  it("gives ids whose bytes add up to the text's UTF-8 bytes", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const bytes = Array.from(tokenizer.encode(text), (id) => tokenizer.bytes(id));
        expect(Buffer.concat(bytes)).toEqual(Buffer.from(text, "utf8"));
      }),
    );
  });

  it("takes the spelling of the end of text as plain text unless special is set", () => {
    const text = "one<|endoftext|>two";
    expect(tokenizer.endOfText).toBe(0);
    expect(Array.from(tokenizer.encode(text))).not.toContain(0);
    const ids = tokenizer.encode(text, { special: true });
    expect(Array.from(ids).filter((id) => id === 0)).toHaveLength(1);
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe("onetwo");
    expect(tokenizer.byteLength(0)).toBe(0);
    expect(tokenizer.specialToken(0)).toBe("<|endoftext|>");
  });

  it("encodes lone surrogates as U+FFFD and keeps pairs", () => {
    expect(tokenizer.decode(tokenizer.encode("a\ud83db\ude00 \ud83d\ude00"))).toBe("a\ufffdb\ufffd 😀");
    expect(tokenizer.encode("x\udc00")).toEqual(tokenizer.encode("x\ufffd"));
  });

  it("shortens text: merges are used", () => {
    const text = texts.join("");
    expect(tokenizer.encode(text).length).toBeLessThan(Buffer.byteLength(text) / 2);
  });

  it("encodes and decodes nothing to nothing", () => {
    expect(tokenizer.encode("")).toEqual(new Int32Array(0));
    expect(tokenizer.decode([])).toBe("");
  });

  it("refuses ids outside the vocabulary by name", async () => {
    await expectCaiError(() => tokenizer.decode([1, 600]), "E_ARGUMENT", "599", "600");
    await expectCaiError(() => tokenizer.decode([-1]), "E_ARGUMENT", "-1");
    await expectCaiError(() => tokenizer.byteLength(1.5), "E_ARGUMENT", "1.5");
  });

  it("loads what writeTokenizerJson wrote, with the same hash", () => {
    const path = join(folder, "tokenizer.json");
    writeTokenizerJson(path, model);
    const loaded = Tokenizer.load(path);
    expect(loaded.sha256).toBe(tokenizer.sha256);
    expect(loaded.vocabSize).toBe(600);
    expect(loaded.encode("the whale")).toEqual(tokenizer.encode("the whale"));
  });

  it("keeps tokens that are spelt like properties of objects", () => {
    const odd = new Tokenizer(formatTokenizerJson(trainBpe(["__proto__ ".repeat(50), "123"], { vocabSize: 300 })));
    const ids = odd.encode("__proto__");
    expect(odd.decode(ids)).toBe("__proto__");
    expect(formatTokenizerJson(trainBpe(["__".repeat(9)], { vocabSize: 300 }))).toContain('"____"');
  });

  it("explains files that are no byte-level BPE", async () => {
    const broken = join(folder, "broken.json");
    writeFileSync(broken, "{");
    await expectCaiError(() => Tokenizer.load(broken), "E_FORMAT", broken, "JSON");
    await expectCaiError(() => Tokenizer.load(join(folder, "none.json")), "E_IO", "none.json");
    await expectCaiError(() => new Tokenizer('{"model":{"type":"WordPiece"}}'), "E_FORMAT", "byte-level BPE");
    await expectCaiError(() => new Tokenizer("null"), "E_FORMAT", "byte-level BPE");
    const unmarked = json.replaceAll("<|endoftext|>", "<|end|>");
    await expectCaiError(() => new Tokenizer(unmarked), "E_FORMAT", "<|endoftext|>");
  });
});

describe("a tokenizer.json with another pre-tokenisation", () => {
  const other = JSON.parse(json) as { pre_tokenizer: unknown };
  other.pre_tokenizer = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const foreign = new Tokenizer(JSON.stringify(other));
  const foreignLibrary = new Library(other, {});

  it("is encoded by the library as a whole", () => {
    for (const text of texts.slice(0, 10)) {
      expect(Array.from(foreign.encode(text))).toEqual(foreignLibrary.encode(text).ids);
    }
  });

  it("round-trips, and takes spellings of special tokens as plain text too", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const ids = foreign.encode(text);
        expect(Array.from(ids)).not.toContain(0);
        expect(foreign.decode(ids)).toBe(text);
      }),
    );
  });
});

describe("StreamingDecoder", () => {
  it("gives in pieces what decode gives at once, for any ids", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 599 }), { maxLength: 30 }), (ids) => {
        const stream = tokenizer.stream();
        expect(ids.map((id) => stream.push(id)).join("") + stream.end()).toBe(tokenizer.decode(ids));
      }),
      { numRuns: 300 },
    );
  });

  it("holds back the bytes of a character until it is whole", () => {
    const stream = tokenizer.stream();
    const bytes = Array.from(Buffer.from("😀"), (byte) =>
      model.tokens.findIndex((token) => token.length === 1 && token[0] === byte),
    );
    expect(bytes.map((id) => stream.push(id))).toEqual(["", "", "", "😀"]);
    expect(stream.end()).toBe("");
    expect(stream.push(bytes[0] as number) + stream.push(0)).toBe("\ufffd<|endoftext|>");
  });
});
