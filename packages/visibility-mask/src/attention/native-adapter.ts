/** What is used of `@cai/native`. */
export interface NativeAttention {
  attentionForward(...args: unknown[]): void;
  attentionBackward(...args: unknown[]): void;
}

export interface AttentionOps {
  readonly native: NativeAttention;
}

export function adaptNative(native: NativeAttention): AttentionOps {
  return { native };
}
