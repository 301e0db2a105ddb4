import { CaiError } from "@cai/native";
import type { Transformer } from "../model/transformer.js";

/**
 * How many of `maxTokens` the model has positions for behind `prompt`.
 *
 * @throws CaiError `E_ARGUMENT` when the prompt is empty or fills the model's maxSeqLen, or maxTokens is no count.
 */
export function roomFor(model: Transformer, prompt: ArrayLike<number>, maxTokens: number): number {
  const { maxSeqLen } = model.config;
  if (prompt.length === 0 || prompt.length >= maxSeqLen) {
    throw new CaiError(
      "E_ARGUMENT",
      "generate",
      `the prompt must have 1 to ${maxSeqLen - 1} tokens (the model's maxSeqLen is ${maxSeqLen}), got ${prompt.length}`,
    );
  }
  if (!Number.isInteger(maxTokens) || maxTokens < 0) {
    throw new CaiError("E_ARGUMENT", "generate", `maxTokens must be an integer of at least 0, got ${maxTokens}`);
  }
  return Math.min(maxTokens, maxSeqLen - prompt.length);
}
