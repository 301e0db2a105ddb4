import { writeFileAtomically } from "./atomic-file.js";
import { spellBytes } from "./byte-alphabet.js";
import { preTokenizerConfig } from "./pre-tokenize.js";
import type { BpeModel } from "./train-bpe.js";

/**
 * The model in Hugging Face's tokenizer.json, version 1.0: a byte-level BPE model, the pre-tokenisation of
 * pre-tokenize.ts, special tokens marked as such, nothing normalised and nothing added around a text.
 */
export function formatTokenizerJson(model: BpeModel): string {
  const spellings = model.tokens.map((bytes, id) => model.specialTokens[id] ?? spellBytes(bytes));
  const head = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: model.specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: preTokenizerConfig,
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      // Not by assignment: a token may be spelt `__proto__`.
      vocab: Object.fromEntries(spellings.map((spelling, id) => [spelling, id])),
      merges: model.merges.map(([a, b]) => [spellings[a], spellings[b]]),
    },
  };
  return `${JSON.stringify(head)}\n`;
}

/** Writes {@link formatTokenizerJson} to `path` through a temporary name. */
export function writeTokenizerJson(path: string, model: BpeModel): void {
  writeFileAtomically(path, formatTokenizerJson(model));
}
