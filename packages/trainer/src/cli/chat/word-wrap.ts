// biome-ignore lint/suspicious/noControlCharactersInRegex: a model must not steer the terminal.
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * Text that comes in pieces, broken between words to lines of at most `width` characters. A word is held back until it is
 * whole, white space until something follows it; control characters are left out.
 */
export class WordWrap {
  #column = 0;
  #space = "";
  #word = "";
  #isBegun = false;

  constructor(private readonly width: () => number) {}

  /** @returns what can be written now. */
  push(piece: string): string {
    let out = "";
    for (const character of piece.replaceAll("\t", " ").replace(controls, "")) {
      if (character !== " " && character !== "\n") this.#word += character;
      else {
        out += this.#take();
        this.#space += character;
      }
    }
    return out;
  }

  /** @returns the last word; then it begins anew. */
  end(): string {
    const out = this.#take();
    [this.#column, this.#space, this.#isBegun] = [0, "", false];
    return out;
  }

  #take(): string {
    if (this.#word === "") return "";
    const word = this.#word;
    const space = this.#isBegun ? this.#breakBefore(word) : "";
    this.#isBegun = true;
    const lineBreak = space.lastIndexOf("\n");
    const before = lineBreak < 0 ? this.#column + space.length : space.length - lineBreak - 1;
    const length = before + word.length;
    const width = Math.max(1, this.width());
    this.#column = length <= width ? length : ((length - 1) % width) + 1;
    [this.#space, this.#word] = ["", ""];
    return space + word;
  }

  /** The white space before a word, or a newline where the word would not fit behind it. */
  #breakBefore(word: string): string {
    const lines = this.#space.split("\n");
    if (lines.length > 1) return "\n".repeat(Math.min(2, lines.length - 1)) + (lines.at(-1) ?? "");
    return this.#column + this.#space.length + word.length > this.width() ? "\n" : this.#space;
  }
}
