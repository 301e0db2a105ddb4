import type { Transformer } from "../model/transformer.js";
import { drawTokens, type GenerateOptions } from "./sample-answers.js";

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
  for (const { token } of drawTokens(model, prompt, { ...options, count: 1 })) {
    if (token === options.endOfText) return;
    yield token;
  }
}
