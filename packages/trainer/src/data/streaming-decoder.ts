import type { Tokenizer } from "./tokenizer.js";

/** Turns ids into text one by one: text comes out as soon as its characters are whole. */
export class StreamingDecoder {
  private utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(private readonly tokenizer: Tokenizer) {}

  /**
   * The text that `id` completes, "" while a character is incomplete; a special token gives what was held back, then
   * its spelling. @throws CaiError `E_ARGUMENT` for an id outside the vocabulary
   */
  push(id: number): string {
    const special = this.tokenizer.specialToken(id);
    if (special !== undefined) return this.end() + special;
    return this.utf8.decode(this.tokenizer.bytes(id), { stream: true });
  }

  /** What is held back, with U+FFFD for a character that never became whole. The decoder can then be used again. */
  end(): string {
    return this.utf8.decode();
  }
}
