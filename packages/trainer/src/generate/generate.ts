import { CaiError, intTensor, Philox } from "@cai/native";
import { Arena } from "../autograd/arena.js";
import { Tape } from "../autograd/tape.js";
import type { Transformer } from "../model/transformer.js";
import { KeyValueCache } from "./key-value-cache.js";
import { type SamplingOptions, sampleToken } from "./sampler.js";

export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to make; the model's maxSeqLen bounds prompt and continuation together. */
  maxTokens: number;
  /** Ends the text, and is not returned. */
  endOfText?: number;
  /** Same seed, same text. [1] */
  seed?: number;
}

// Keeps the draws apart from the initial weights, which use the streams from 0.
const samplingStream = 0x73616d70;

/**
 * Continues `prompt` one token at a time, yielding each id as soon as it is drawn.
 *
 * The prompt is read at once, every further token costs one row: keys and values stay in a cache.
 *
 * @throws CaiError `E_ARGUMENT` when the prompt is empty or fills the model's maxSeqLen, or an option is out of range.
 */
export function* generateTokens(
  model: Transformer,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): Generator<number, void, void> {
  const { maxSeqLen } = model.config;
  if (prompt.length === 0 || prompt.length >= maxSeqLen) {
    throw new CaiError(
      "E_ARGUMENT",
      "generate",
      `the prompt must have 1 to ${maxSeqLen - 1} tokens (the model's maxSeqLen is ${maxSeqLen}), got ${prompt.length}`,
    );
  }
  if (!Number.isInteger(options.maxTokens) || options.maxTokens < 0) {
    throw new CaiError(
      "E_ARGUMENT",
      "generate",
      `maxTokens must be an integer of at least 0, got ${options.maxTokens}`,
    );
  }
  const room = Math.min(options.maxTokens, maxSeqLen - prompt.length);
  const cache = new KeyValueCache(model.config, prompt.length + room);
  const arena = new Arena();
  const draws = new Philox(options.seed ?? 1, samplingStream);
  let tokens = Int32Array.from(prompt);
  for (let made = 0; made < room; made++) {
    const positions = Int32Array.from(tokens, (_, i) => cache.length + i);
    const tape = new Tape(arena, { recording: false });
    const logits = model.nextLogits(tape, tokens, intTensor(positions, [1, positions.length]), (layer, qkv) =>
      cache.attend(tape, layer, qkv),
    );
    const token = sampleToken(logits.data, draws.uniform(), options);
    cache.advance(tokens.length);
    arena.reset();
    if (token === options.endOfText) return;
    yield token;
    tokens = Int32Array.of(token);
  }
}
