import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { CaiError } from "@cai/native";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { unspellBytes } from "./byte-alphabet.js";
import { forEachPreToken, preTokenizerConfig } from "./pre-tokenize.js";
import { StreamingDecoder } from "./streaming-decoder.js";
import { endOfTextToken } from "./train-bpe.js";
import { detached, wellFormed } from "./utf8.js";

/** What this module uses of the library; its own declarations do not resolve under Node's module rules. */
interface Library {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
}

/** The parts of tokenizer.json that are read here. */
interface TokenizerJson {
  added_tokens: { id: number; content: string; special?: boolean }[];
  normalizer: unknown;
  pre_tokenizer: unknown;
  decoder: { type?: string; decoders?: { type?: string }[] } | null;
  model: { type?: string; vocab?: Record<string, number> };
}

/** Pre-tokens whose ids are remembered, and their length in characters at most. */
const cacheSize = 1 << 17;
const cachedLength = 64;

/**
 * A byte-level BPE tokenizer from a tokenizer.json, over `@huggingface/tokenizers`.
 *
 * Any text round-trips: `decode(encode(text)) === text` for every well-formed string; a lone surrogate, which UTF-8
 * cannot hold, is encoded as U+FFFD. The spelling of a special token in a text is plain text unless `special` is set,
 * so no document can forge an end of text.
 *
 * The library encodes about 1.3 MB a second; for the pre-tokenisation that {@link trainBpe} writes, the ids of each
 * distinct pre-token are asked of it once and remembered, which makes some 10 MB a second at first and 30 MB later. Files with another
 * pre-tokenisation or a normaliser go through the library as a whole.
 */
export class Tokenizer {
  /** SHA-256 of the file, hexadecimal: shards written with one tokenizer are not read with another. */
  readonly sha256: string;
  /** One above the highest id. */
  readonly vocabSize: number;
  /** The id of `<|endoftext|>`. */
  readonly endOfText: number;
  private readonly library: Library;
  private readonly bytesById: readonly (Uint8Array | undefined)[];
  private readonly specialIds: ReadonlyMap<number, string>;
  private readonly specialSpelling: RegExp | undefined;
  private readonly splitsAsOurs: boolean;
  private readonly cache = new Map<string, readonly number[]>();

  /**
   * @param text the content of a tokenizer.json
   * @param source how errors name it
   * @throws CaiError `E_FORMAT` when it is no tokenizer.json, no byte-level BPE, or has no `<|endoftext|>`
   */
  constructor(text: string, source = "tokenizer.json") {
    const json = parse(text, source);
    this.sha256 = createHash("sha256").update(text).digest("hex");
    this.library = makeLibrary(json, source);
    this.bytesById = tokenBytes(json, source);
    this.vocabSize = this.bytesById.length;
    const specials = json.added_tokens.filter((token) => token.special !== false);
    this.specialIds = new Map(specials.map((token) => [token.id, token.content]));
    this.specialSpelling = anyOf(specials.map((token) => token.content));
    const end = json.added_tokens.find((token) => token.content === endOfTextToken);
    if (!end) refuse(source, `expected a special token ${endOfTextToken}, got none`);
    this.endOfText = end.id;
    this.splitsAsOurs = json.normalizer === null && isDeepStrictEqual(json.pre_tokenizer, preTokenizerConfig);
  }

  /** Reads a tokenizer.json. @throws CaiError `E_IO` when it cannot be read, `E_FORMAT` as the constructor. */
  static load(path: string): Tokenizer {
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (cause) {
      throw new CaiError("E_IO", "tokenizer", `${path}: could not be read: ${(cause as Error).message}`, { cause });
    }
    return new Tokenizer(text, path);
  }

  /**
   * The ids of `text`; no end of text is added.
   *
   * @param special whether `<|endoftext|>` and its like in the text mean the special token (default no: plain text)
   */
  encode(text: string, { special = false }: { special?: boolean } = {}): Int32Array {
    const clean = wellFormed(text);
    if (special) return this.encodeMarked(clean);
    return this.splitsAsOurs ? this.encodeCached(clean) : this.encodeUnmarked(clean);
  }

  /**
   * The text of `ids`. Bytes that are no valid UTF-8, as when ids stop within a character, become U+FFFD.
   *
   * @param skipSpecial leaves special tokens out (default: their spelling)
   * @throws CaiError `E_ARGUMENT` for an id outside the vocabulary
   */
  decode(ids: ArrayLike<number>, { skipSpecial = false }: { skipSpecial?: boolean } = {}): string {
    const list = Array.from(ids);
    for (const id of list) this.bytes(id);
    if (list.length === 0) return "";
    return this.library.decode(list, { skip_special_tokens: skipSpecial, clean_up_tokenization_spaces: false });
  }

  /** A decoder for ids that come one by one, which holds back the bytes of a character until it is whole. */
  stream(): StreamingDecoder {
    return new StreamingDecoder(this);
  }

  /** The bytes of text that `id` stands for; none for a special token. @throws CaiError `E_ARGUMENT` */
  bytes(id: number): Uint8Array {
    const bytes = this.bytesById[id];
    if (bytes) return bytes;
    throw new CaiError("E_ARGUMENT", "tokenizer", `expected an id from 0 to ${this.vocabSize - 1}, got ${id}`);
  }

  /** How many bytes of text `id` stands for; 0 for a special token. @throws CaiError `E_ARGUMENT` */
  byteLength(id: number): number {
    return this.bytes(id).length;
  }

  /** The spelling of a special token, or undefined for any other id. */
  specialToken(id: number): string | undefined {
    return this.specialIds.get(id);
  }

  private encodeMarked(text: string): Int32Array {
    return Int32Array.from(this.library.encode(text, { add_special_tokens: false }).ids);
  }

  /** Another pre-tokenisation: no cache, and spellings of special tokens are kept plain by cutting within them. */
  private encodeUnmarked(text: string): Int32Array {
    const pieces: number[] = [];
    let start = 0;
    for (const match of this.specialSpelling ? text.matchAll(this.specialSpelling) : []) {
      for (const id of this.encodeMarked(text.slice(start, match.index + 1))) pieces.push(id);
      start = match.index + 1;
    }
    for (const id of this.encodeMarked(text.slice(start))) pieces.push(id);
    return Int32Array.from(pieces);
  }

  private encodeCached(text: string): Int32Array {
    let ids = new Int32Array(64 + (text.length >> 1));
    let count = 0;
    forEachPreToken(text, (preToken) => {
      const found = this.cache.get(preToken) ?? this.remember(preToken);
      if (count + found.length > ids.length) {
        const grown = new Int32Array(2 * (count + found.length));
        grown.set(ids);
        ids = grown;
      }
      for (let i = 0; i < found.length; i++) ids[count++] = found[i] as number;
    });
    return ids.slice(0, count);
  }

  private remember(preToken: string): readonly number[] {
    const { ids } = this.library.encode(preToken, { add_special_tokens: false });
    if (preToken.length > cachedLength) return ids;
    if (this.cache.size >= cacheSize) this.cache.clear();
    this.cache.set(detached(preToken), ids);
    return ids;
  }
}

function parse(text: string, source: string): TokenizerJson {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    refuse(source, `not valid JSON: ${(cause as Error).message}`);
  }
  const { model, decoder, added_tokens } = (json ?? {}) as Partial<TokenizerJson>;
  const byteLevel = [decoder, ...(decoder?.decoders ?? [])].some((part) => part?.type === "ByteLevel");
  if (model?.type !== "BPE" || !model.vocab || !byteLevel || !Array.isArray(added_tokens)) {
    refuse(source, "expected a tokenizer.json with a byte-level BPE model (model BPE, decoder ByteLevel)");
  }
  return json as TokenizerJson;
}

function makeLibrary(json: TokenizerJson, source: string): Library {
  try {
    return new HuggingFaceTokenizer(json, {}) as Library;
  } catch (cause) {
    refuse(source, `@huggingface/tokenizers refused it: ${(cause as Error).message}`);
  }
}

function tokenBytes({ added_tokens, model }: TokenizerJson, source: string): (Uint8Array | undefined)[] {
  const special = new Map(added_tokens.map((token) => [token.content, token]));
  const bytes: (Uint8Array | undefined)[] = [];
  for (const [spelling, id] of Object.entries(model.vocab ?? {})) {
    if (special.has(spelling)) continue;
    const known = unspellBytes(spelling);
    if (!known || !Number.isInteger(id) || id < 0) {
      refuse(
        source,
        `token ${JSON.stringify(spelling)} (id ${id}): expected characters of the byte alphabet and an id`,
      );
    }
    bytes[id] = known;
  }
  for (const { id, content, special: marked } of special.values()) {
    bytes[id] = marked === false ? Buffer.from(content, "utf8") : new Uint8Array(0);
  }
  return bytes;
}

/** A pattern for any of `spellings` of two characters or more: a single one cannot be cut. */
function anyOf(spellings: readonly string[]): RegExp | undefined {
  const escaped = spellings
    .filter((text) => text.length > 1)
    .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return escaped.length > 0 ? new RegExp(escaped.join("|"), "g") : undefined;
}

function refuse(source: string, message: string): never {
  throw new CaiError("E_FORMAT", "tokenizer", `${source}: ${message}`);
}
