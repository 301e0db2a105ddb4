import { CaiError } from "@cai/native";
import { VisibilityMask } from "@cai/visibility-mask";
import type { Transformer } from "../model/transformer.js";
import { BeamRuns } from "./beam-runs.js";
import { Decoder } from "./decoder.js";
import { roomFor } from "./room.js";
import { type BeamSearchOptions, type Hypothesis, searchBeams } from "./search-beams.js";

/**
 * The continuations of `prompt` that beam search finds best; {@link searchBeams} has the rules.
 *
 * The prompt is read once. From there a step reads one token for every live beam in one batch: each beam owns a run of
 * cache slots behind the prompt, which its own run alone sees. A beam that continues another's hypothesis gets a copy of
 * what their runs differ in; the first to continue a hypothesis stays in its run. Deterministic.
 *
 * @returns at most `beams` hypotheses, best score first.
 * @throws CaiError `E_ARGUMENT` when the prompt is empty or fills the model's maxSeqLen, or an option is out of range.
 */
export function beamSearch(model: Transformer, prompt: ArrayLike<number>, options: BeamSearchOptions): Hypothesis[] {
  const { beams, lengthPenalty } = options;
  if (!Number.isInteger(beams) || beams < 1) {
    throw new CaiError("E_ARGUMENT", "generate", `beams must be an integer of at least 1, got ${beams}`);
  }
  if (lengthPenalty !== undefined && !(lengthPenalty >= 0 && lengthPenalty < Infinity)) {
    throw new CaiError("E_ARGUMENT", "generate", `lengthPenalty must be a number of at least 0, got ${lengthPenalty}`);
  }
  const room = roomFor(model, prompt, options.maxTokens);
  const shape = { promptLength: prompt.length, beams, length: Math.max(room, 1) };
  const decoder = new Decoder(model, VisibilityMask.beams(shape));
  const runs = new BeamRuns(decoder.cache, shape);
  return searchBeams(decoder.readPrompt(prompt), (parents, tokens) => decoder.read(tokens, runs.advance(parents)), {
    ...options,
    maxTokens: room,
  });
}
