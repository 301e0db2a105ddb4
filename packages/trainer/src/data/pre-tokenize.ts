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

/** Texts longer than this are cut in slices of it, so that the list of matches stays small. */
const sliceLength = 1 << 20;

/** Calls `visit` with each pre-token of well-formed `text`, in order. */
export function forEachPreToken(text: string, visit: (preToken: string) => void): void {
  if (text.length <= sliceLength) {
    for (const preToken of text.match(regExp) ?? []) visit(preToken);
    return;
  }
  // matchAll would make an object a match; one pass in slices keeps to plain strings. The last matches of a slice
  // could go on in the next, so each slice ends where its last two matches begin.
  for (let start = 0; start < text.length; ) {
    let length = sliceLength;
    for (;;) {
      const matches = text.slice(start, start + length).match(regExp) ?? [];
      const last = start + length >= text.length;
      const keep = last ? matches.length : matches.length - 2;
      if (keep <= 0 && !last) {
        length *= 2;
        continue;
      }
      for (let i = 0; i < keep; i++) {
        const preToken = matches[i] as string;
        visit(preToken);
        start += preToken.length;
      }
      break;
    }
  }
}
