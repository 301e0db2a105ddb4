import { checkOptions } from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";
import type { ViewOptions, VisibilityMask } from "../mask.js";
import { checkWindow } from "../visible-runs.js";

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
  checkOptions(options, op);
  const { window = 0 } = options;
  checkWindow(window, op);
  const documents = new DocumentReader(mask, window > 0, op);
  for (let row = 0; row < mask.batchSize; row++) documents.readRow(row);
  const { ends, indices, maxSeqlen } = documents;
  return {
    cuSeqlens: Int32Array.from(ends),
    maxSeqlen,
    indices: Int32Array.from(indices),
    // A window hides what is behind the query, as causality does.
    causal: window > 0 || documents.causal !== false,
    windowSize: window > 0 ? [window - 1, 0] : [-1, -1],
  };
}

class DocumentReader {
  readonly ends = [0];
  readonly indices: number[] = [];
  maxSeqlen = 0;
  /** Unknown until a document of two tokens has been seen. */
  causal: boolean | undefined;

  constructor(
    private readonly mask: VisibilityMask,
    private readonly windowed: boolean,
    private readonly op: string,
  ) {}

  readRow(row: number): void {
    const { seqLen } = this.mask;
    let token = 0;
    while (token < seqLen && this.limit(row, token) > 0) token = this.readDocument(row, token);
    for (; token < seqLen; token++) {
      if (this.limit(row, token) > 0) this.refuse(row, token, "it follows padding, which must be at the end");
    }
  }

  private readDocument(row: number, first: number): number {
    const end = this.limit(row, first);
    if (end <= first) this.refuse(row, first, `it should see itself, but is seen by queries before ${end} alone`);
    if (end > first + 1) this.causal ??= this.start(row, first + 1) !== first;
    for (let token = first; token < end; token++) {
      const from = this.causal === false ? first : token;
      const [start, limit] = [this.start(row, token), this.limit(row, token)];
      if (start !== from || limit !== end) {
        const kind = this.causal === false ? "bidirectional" : "causal";
        const expected = `in a ${kind} document [${first}, ${end}) start is ${from} and limit ${end}`;
        this.refuse(row, token, `${expected}, got start ${start} and limit ${limit}`);
      }
      if (this.windowed && this.mask.position(token, row) - this.mask.position(first, row) !== token - first) {
        this.refuse(row, token, "a window needs positions that count up by one within a document");
      }
      this.indices.push(row * this.mask.seqLen + token);
    }
    this.ends.push(this.indices.length);
    this.maxSeqlen = Math.max(this.maxSeqlen, end - first);
    return end;
  }

  private start(row: number, token: number): number {
    return this.mask.start[row * this.mask.seqLen + token] as number;
  }

  private limit(row: number, token: number): number {
    return this.mask.limit[row * this.mask.seqLen + token] as number;
  }

  private refuse(row: number, token: number, reason: string): never {
    const expected = "cu_seqlens can only say documents one after another, all causal or all bidirectional";
    throw new CaiError("E_ARGUMENT", this.op, `token ${token} of row ${row}: ${reason}; ${expected}`);
  }
}
