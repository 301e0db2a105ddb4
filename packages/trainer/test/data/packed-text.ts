import { type MicroBatch, type Split, TokenDataset } from "../../src/data/index.js";

/** All tokens of a corpus and split. */
export function streamOf(dir: string, corpus: string, split: Split = "train"): Int32Array {
  const dataset = TokenDataset.open(dir, corpus, split);
  const tokens = new Int32Array(dataset.tokens);
  dataset.read(0, dataset.tokens, tokens);
  dataset.close();
  return tokens;
}

/** The runs of tokens of a batch that see each other, as text: the first input, then the targets. Padding is left out. */
export function piecesOf({ tokens, targets, mask }: MicroBatch): number[][] {
  const pieces: number[][] = [];
  for (let first = 0; first < tokens.length; first += mask.seqLen) {
    for (let begin = 0, end = 0; begin < mask.seqLen; begin = end) {
      end = mask.limit[first + begin] as number;
      if (end === 0) break;
      pieces.push([tokens[first + begin] as number, ...targets.subarray(first + begin, first + end)]);
    }
  }
  return pieces;
}

/** How often each token follows each, in pieces as {@link piecesOf} gives them. */
export function pairCounts(pieces: Iterable<ArrayLike<number>>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const piece of pieces) {
    for (let i = 1; i < piece.length; i++) {
      const pair = `${piece[i - 1]} ${piece[i]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
  }
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Where `window` stands in `stream`; windows of 17 tokens are almost surely unique. */
export function find(stream: Int32Array, window: ArrayLike<number>): number[] {
  const at: number[] = [];
  for (let i = 0; i + window.length <= stream.length; i++) {
    if (stream[i] === window[0] && Array.prototype.every.call(window, (token, k) => stream[i + k] === token))
      at.push(i);
  }
  return at;
}
