import { CaiError } from "@cai/native";
import { bytesByChar } from "./byte-alphabet.js";
import { PairHeap } from "./pair-heap.js";
import { forEachPreToken } from "./pre-tokenize.js";
import { detached, wellFormed } from "./utf8.js";

export const endOfTextToken = "<|endoftext|>";

export interface TrainBpeOptions {
  /** Ids in all, special tokens and the 256 bytes included: 256 + specialTokens to 2^20. */
  vocabSize: number;
  /**
   * Each of the form `<|name|>`, which no pre-token can spell. They take the first ids, so that no id changes when the
   * vocabulary grows. Default: `<|endoftext|>` alone, id 0.
   */
  specialTokens?: readonly string[];
  /** A pair seen less often is never merged; 1 to any. Default 2: a pair seen once only remembers its document. */
  minFrequency?: number;
}

/** A byte-level BPE vocabulary. Ids: the special tokens, the 256 bytes in the order of their characters, the merges. */
export interface BpeModel {
  readonly specialTokens: readonly string[];
  /** The bytes of each id; empty for special tokens. */
  readonly tokens: readonly Uint8Array[];
  /** Pairs of ids in the order in which they are merged; the n-th makes id `specialTokens.length + 256 + n`. */
  readonly merges: readonly (readonly [number, number])[];
}

/** How often each pre-token occurs: all that training needs to know of a text. Memory grows with distinct ones only. */
export class PreTokenCounts {
  readonly counts = new Map<string, number>();

  /** Counts the pre-tokens of one document. */
  add(text: string): void {
    forEachPreToken(wellFormed(text), (preToken) => {
      const count = this.counts.get(preToken);
      if (count === undefined) this.counts.set(detached(preToken), 1);
      else this.counts.set(preToken, count + 1);
    });
  }
}

/**
 * Trains a byte-level BPE vocabulary: again and again the pair of neighbouring tokens that is most frequent within
 * pre-tokens becomes a token; among equals the pair with the smaller first, then second id (as Hugging Face's trainer).
 *
 * The result depends on the counts of pre-tokens alone, not on the order of texts. It may have fewer ids than asked
 * for when no pair is left that occurs `minFrequency` times.
 *
 * @param texts documents, or pre-tokens counted before
 * @throws CaiError `E_ARGUMENT` for a vocabulary size out of range
 * @remarks Source: Sennrich et al. 2016 (arXiv:1508.07909), over bytes as GPT-2.
 */
export function trainBpe(texts: Iterable<string> | PreTokenCounts, options: TrainBpeOptions): BpeModel {
  const { vocabSize, specialTokens = [endOfTextToken], minFrequency = 2 } = options;
  checkSpecialTokens(specialTokens);
  const first = specialTokens.length + 256;
  if (!Number.isInteger(vocabSize) || vocabSize < first || vocabSize > 1 << 20) {
    throw new CaiError("E_ARGUMENT", "trainBpe", `vocabSize: expected ${first} to ${1 << 20}, got ${vocabSize}`);
  }
  const counts = texts instanceof PreTokenCounts ? texts : countAll(texts);
  const merger = new Merger(counts.counts, specialTokens.length, vocabSize);
  const merges: [number, number][] = [];
  while (first + merges.length < vocabSize) {
    const pair = merger.best(Math.max(1, minFrequency));
    if (!pair) break;
    merger.merge(pair, first + merges.length);
    merges.push(pair);
  }
  return { specialTokens, tokens: spellTokens(specialTokens.length, merges), merges };
}

function checkSpecialTokens(specialTokens: readonly string[]): void {
  const wrong = specialTokens.find((token, i) => !/^<\|\w+\|>$/.test(token) || specialTokens.indexOf(token) !== i);
  if (wrong !== undefined) {
    throw new CaiError(
      "E_ARGUMENT",
      "trainBpe",
      `specialTokens: expected each once and of the form <|name|>, got ${JSON.stringify(wrong)}`,
    );
  }
}

function countAll(texts: Iterable<string>): PreTokenCounts {
  const counts = new PreTokenCounts();
  for (const text of texts) counts.add(text);
  return counts;
}

function spellTokens(specials: number, merges: readonly (readonly [number, number])[]): Uint8Array[] {
  const tokens: Uint8Array[] = Array.from({ length: specials }, () => new Uint8Array(0));
  for (const byte of bytesByChar) tokens.push(Uint8Array.of(byte));
  for (const [a, b] of merges) tokens.push(new Uint8Array([...(tokens[a] ?? []), ...(tokens[b] ?? [])]));
  return tokens;
}

/** Longer pre-tokens are counted in pieces of this many bytes, so that one endless run cannot make training slow. */
const longestWord = 1024;

/** The distinct pre-tokens as rows of ids, with the counts of their pairs kept up to date. */
class Merger {
  private readonly words: number[][] = [];
  private readonly wordCounts: number[] = [];
  private readonly pairCounts = new Map<number, number>();
  /** The words in which a pair was ever seen; some may have lost it since. */
  private readonly seenIn = new Map<number, number[]>();
  private readonly heap = new PairHeap();

  /** @param stride a pair (a, b) has the key `a * stride + b` */
  constructor(
    counts: ReadonlyMap<string, number>,
    specials: number,
    private readonly stride: number,
  ) {
    const idOfByte = new Int32Array(256);
    bytesByChar.forEach((byte, rank) => {
      idOfByte[byte] = specials + rank;
    });
    for (const [preToken, count] of counts) {
      const ids = Array.from(Buffer.from(preToken, "utf8"), (byte) => idOfByte[byte] as number);
      for (let at = 0; at < ids.length; at += longestWord) this.addWord(ids.slice(at, at + longestWord), count);
    }
    for (const [key, count] of this.pairCounts) this.heap.push(key, count);
  }

  /** The most frequent pair that occurs at least `minFrequency` times. */
  best(minFrequency: number): [number, number] | undefined {
    for (;;) {
      const top = this.heap.pop();
      if (!top) return undefined;
      const count = this.pairCounts.get(top.key) ?? 0;
      if (count < minFrequency) continue;
      if (count === top.count) return [Math.floor(top.key / this.stride), top.key % this.stride];
      this.heap.push(top.key, count);
    }
  }

  /** Replaces the pair by `id` in every word. */
  merge([a, b]: readonly [number, number], id: number): void {
    const key = a * this.stride + b;
    const words = this.seenIn.get(key) ?? [];
    const created = new Set<number>();
    this.seenIn.delete(key);
    for (const index of words) this.mergeIn(index, a, b, id, created);
    this.pairCounts.delete(key);
    for (const pair of created) {
      const count = this.pairCounts.get(pair) ?? 0;
      if (count > 0) this.heap.push(pair, count);
    }
  }

  private mergeIn(index: number, a: number, b: number, id: number, created: Set<number>): void {
    const word = this.words[index] as number[];
    const merged = replacePair(word, a, b, id);
    if (merged.length === word.length) return;
    const count = this.wordCounts[index] as number;
    for (let i = 1; i < word.length; i++) {
      const key = (word[i - 1] as number) * this.stride + (word[i] as number);
      this.pairCounts.set(key, (this.pairCounts.get(key) ?? 0) - count);
    }
    this.words[index] = merged;
    for (let i = 1; i < merged.length; i++) {
      const left = merged[i - 1] as number;
      const right = merged[i] as number;
      const key = left * this.stride + right;
      this.pairCounts.set(key, (this.pairCounts.get(key) ?? 0) + count);
      if (left === id || right === id) {
        created.add(key);
        this.noteSeen(key, index);
      }
    }
  }

  private addWord(ids: number[], count: number): void {
    const index = this.words.push(ids) - 1;
    this.wordCounts.push(count);
    for (let i = 1; i < ids.length; i++) {
      const key = (ids[i - 1] as number) * this.stride + (ids[i] as number);
      this.pairCounts.set(key, (this.pairCounts.get(key) ?? 0) + count);
      this.noteSeen(key, index);
    }
  }

  private noteSeen(key: number, index: number): void {
    const words = this.seenIn.get(key);
    if (!words) this.seenIn.set(key, [index]);
    else if (words[words.length - 1] !== index) words.push(index);
  }
}

/** `word` with (a, b) replaced by `id` from left to right. */
function replacePair(word: readonly number[], a: number, b: number, id: number): number[] {
  const merged: number[] = [];
  for (let i = 0; i < word.length; i++) {
    if (word[i] === a && word[i + 1] === b) {
      merged.push(id);
      i++;
    } else {
      merged.push(word[i] as number);
    }
  }
  return merged;
}
