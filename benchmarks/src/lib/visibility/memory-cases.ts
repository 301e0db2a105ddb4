import { VisibilityMask } from "@cai/visibility-mask";

/** Of the attention that is run: query and key-value heads alike, and their width. */
export const heads = { H: 8, D: 64 };

/** What is run at every length: the visible area grows with the tokens, not with their square. */
export const patterns = {
  "causal, window 256": (tokens: number) => ({ mask: VisibilityMask.causal(tokens), window: 256 }),
  "packed documents of 512": (tokens: number) => {
    const documents = Array<number>(Math.floor(tokens / 512)).fill(512);
    return { mask: VisibilityMask.packed(documents, { seqLen: tokens }), window: 0 };
  },
} satisfies Record<string, (tokens: number) => { mask: VisibilityMask; window: number }>;

export interface MemoryRequest {
  readonly pattern: keyof typeof patterns;
  readonly tokens: number;
}

export interface MemoryReply {
  /** Of start and limit. */
  readonly arrayBytes: number;
  readonly positionBytes: number;
  readonly lseBytes: number;
  readonly visibleCells: number;
  /** By how much the process was larger at its peak than before: plan and scratch of the forward call. */
  readonly forwardExtraBytes: number;
  /** The same of both calls. */
  readonly backwardExtraBytes: number;
}
