/** What {@link prepareCorpora} is at: reading inputs to recognise them, counting for the tokenizer, or writing shards. */
export interface PrepareProgressEvent {
  readonly phase: "hash" | "tokenizer" | "encode";
  readonly corpus: string;
  /** Bytes of this corpus so far in this phase: of the files for `hash`, of text otherwise. */
  readonly bytes: number;
  /** Tokens of this corpus so far, while encoding. */
  readonly tokens: number;
}

const intervalMs = 100;

/** Counts what was done and tells it at most ten times a second, and at each corpus's and phase's end. */
export class PrepareProgress {
  private event: PrepareProgressEvent | undefined;
  private toldAt = 0;

  constructor(
    private readonly tell: ((event: PrepareProgressEvent) => void) | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** @throws the signal's reason when it was aborted */
  add(phase: PrepareProgressEvent["phase"], corpus: string, bytes: number, tokens = 0): void {
    this.signal?.throwIfAborted();
    const { event } = this;
    if (event?.phase === phase && event.corpus === corpus) {
      this.event = { phase, corpus, bytes: event.bytes + bytes, tokens: event.tokens + tokens };
    } else {
      this.finish();
      this.event = { phase, corpus, bytes, tokens };
    }
    if (performance.now() - this.toldAt >= intervalMs) this.finish();
  }

  /** Tells the last state. */
  finish(): void {
    if (!this.event) return;
    this.tell?.(this.event);
    this.toldAt = performance.now();
  }
}
