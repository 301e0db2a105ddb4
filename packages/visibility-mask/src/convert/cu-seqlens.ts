import type { ViewOptions, VisibilityMask } from "../mask.js";
import { refuseToken, windowOf } from "../refuse.js";

/** What FlashAttention's functions for sequences of varying length take. */
export interface CuSeqlens {
  /** int32 [documents + 1]: where each document begins among the tokens of `indices`, and where the last ends. */
  readonly cuSeqlens: Int32Array;
  /** Tokens of the longest document. */
  readonly maxSeqlen: number;
  /** int32: the tokens of [B, T] that are no padding, in order. */
  readonly indices: Int32Array;
  readonly causal: boolean;
  /** Keys to the left and to the right that a query sees; −1 is any number. */
  readonly windowSize: readonly [left: number, right: number];
}

export function toCuSeqlens(mask: VisibilityMask, options: ViewOptions = {}): CuSeqlens {
  const op = "visibilityMask.toCuSeqlens";
  const window = windowOf(options, op);
  const { batchSize, seqLen, start, limit } = mask;
  const ends = [0];
  const indices: number[] = [];
  let maxSeqlen = 0;
  // Unknown until a document of two tokens has been seen.
  let causal: boolean | undefined;
  const fail = (at: number, reason: string) => {
    const expected = "cu_seqlens can only say documents one after another, all causal or all bidirectional";
    refuseToken(op, at % seqLen, Math.floor(at / seqLen), `${reason}; ${expected}`);
  };
  /** @returns where the document that begins at `first` of a row ends. */
  const readDocument = (first: number, row: number) => {
    const [origin, end] = [row * seqLen, limit[row * seqLen + first] as number];
    if (end <= first) fail(origin + first, `it does not see itself, with limit ${end}`);
    if (end > first + 1) causal ??= start[origin + first + 1] !== first;
    for (let token = first, at = origin + first; token < end; token++, at++) {
      const from = causal === false ? first : token;
      if (start[at] !== from || limit[at] !== end) {
        const document = `a ${causal === false ? "bidirectional" : "causal"} document [${first}, ${end})`;
        fail(at, `in ${document} start is ${from} and limit ${end}, got start ${start[at]} and limit ${limit[at]}`);
      }
      if (window > 0 && mask.position(token, row) - mask.position(first, row) !== token - first) {
        fail(at, "a window needs positions that count up by one within a document");
      }
      indices.push(at);
    }
    ends.push(indices.length);
    maxSeqlen = Math.max(maxSeqlen, end - first);
    return end;
  };
  for (let row = 0; row < batchSize; row++) {
    let token = 0;
    while (token < seqLen && limit[row * seqLen + token]) token = readDocument(token, row);
    for (let at = row * seqLen + token; at < (row + 1) * seqLen; at++) {
      if (limit[at]) fail(at, "it follows padding, which must be at the end");
    }
  }
  return {
    cuSeqlens: Int32Array.from(ends),
    maxSeqlen,
    indices: Int32Array.from(indices),
    // A window hides what is behind the query, as causality does.
    causal: window > 0 || causal !== false,
    windowSize: window > 0 ? [window - 1, 0] : [-1, -1],
  };
}
