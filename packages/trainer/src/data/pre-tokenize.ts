/**
 * The regular expression that cuts text into pre-tokens, which no merge crosses: GPT-2's, in Oniguruma's notation as
 * tokenizer.json has it. Whitespace is Unicode's White_Space, as Rust and the library read `\s`; a JavaScript `\s`
 * differs by U+FEFF and U+0085.
 *
 * A match taken alone matches itself again as a whole, and matches cover any text without gaps.
 */
export const preTokenPattern = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

const regExp = new RegExp(
  preTokenPattern
    .replace(String.raw`[^\s`, String.raw`[^\p{White_Space}`)
    .replaceAll(String.raw`\s`, String.raw`\p{White_Space}`)
    .replaceAll(String.raw`\S`, String.raw`\P{White_Space}`),
  "gu",
);

/** How tokenizer.json states {@link preTokenPattern}, followed by the byte alphabet. */
export const preTokenizerConfig = {
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: preTokenPattern }, behavior: "Isolated", invert: false },
    { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
  ],
} as const;

/** Long texts are matched in slices of this many characters, so that the list of matches stays small. */
const sliceLength = 1 << 20;

/** Calls `visit` with each pre-token of well-formed `text`, in order. */
export function forEachPreToken(text: string, visit: (preToken: string) => void): void {
  let length = sliceLength;
  for (let start = 0; start < text.length; ) {
    const atEnd = start + length >= text.length;
    const matches = text.slice(start, start + length).match(regExp) ?? [];
    // What follows a slice can change its last two matches, as `l` after `'l` does: they go into the next one.
    const whole = atEnd ? matches.length : Math.max(0, matches.length - 2);
    for (let i = 0; i < whole; i++) {
      const preToken = matches[i] as string;
      visit(preToken);
      start += preToken.length;
    }
    length = whole > 0 ? sliceLength : 2 * length;
  }
}
