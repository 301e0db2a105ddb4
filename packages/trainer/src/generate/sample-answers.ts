import { CaiError, Philox } from "@cai/native";
import { VisibilityMask } from "@cai/visibility-mask";
import type { Transformer } from "../model/transformer.js";
import { Decoder } from "./decoder.js";
import { roomFor } from "./room.js";
import { type SamplingOptions, sampleToken } from "./sampler.js";

export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to make; the model's maxSeqLen bounds prompt and continuation together. */
  maxTokens: number;
  /** Ends the text, and is not returned. */
  endOfText?: number;
  /** Same seed, same text. [1] */
  seed?: number;
}

/** A continuation that was drawn. */
export interface Answer {
  /** Without the end-of-text token. */
  readonly tokens: readonly number[];
  /** Whether it ended with the end-of-text token rather than for want of room. */
  readonly ended: boolean;
}

/** Keeps draws apart from the initial weights, which use the streams from 0. */
export const samplingStream = 0x73616d70;

/**
 * Draws `count` continuations of one prompt.
 *
 * The prompt is read once. From there a step reads one token for every answer in one batch, each in a run of cache slots
 * that itself alone sees; an answer that has ended takes no part any more. Answer k draws from a random stream of its own,
 * number k of the seed, so it does not depend on how many others there are, but for the rounding of its logits, which a
 * draw has to fall into to show; answer 0 is what `generateTokens` gives. Keys and values take memory for the prompt and
 * `count` times `maxTokens`.
 *
 * @throws CaiError `E_ARGUMENT` when the prompt is empty or fills the model's maxSeqLen, or an option is out of range.
 */
export function sampleAnswers(
  model: Transformer,
  prompt: ArrayLike<number>,
  options: GenerateOptions & { count: number },
): Answer[] {
  const { count, endOfText } = options;
  if (!Number.isInteger(count) || count < 1) {
    throw new CaiError("E_ARGUMENT", "generate", `count must be an integer of at least 1, got ${count}`);
  }
  const answers = Array.from({ length: count }, () => ({ tokens: [] as number[], ended: false }));
  for (const { answer, token } of drawTokens(model, prompt, options)) {
    const of = answers[answer] as (typeof answers)[number];
    if (token === endOfText) of.ended = true;
    else of.tokens.push(token);
  }
  return answers;
}

/** The tokens of `count` answers, each as soon as it is drawn; the end-of-text token is an answer's last. */
export function* drawTokens(
  model: Transformer,
  prompt: ArrayLike<number>,
  options: GenerateOptions & { count: number },
): Generator<{ answer: number; token: number }, void, void> {
  const { count, seed = 1 } = options;
  const room = roomFor(model, prompt, options.maxTokens);
  if (room === 0) return;
  const decoder = new Decoder(model, VisibilityMask.beams({ promptLength: prompt.length, beams: count, length: room }));
  const streams = Array.from({ length: count }, (_, answer) => new Philox(seed, samplingStream + answer));
  const { vocabSize } = model.config;
  let live = streams.map((_, answer) => answer);
  let logits = decoder.readPrompt(prompt);
  for (let made = 0; ; made++) {
    const drawn = live.map((answer, i) => {
      // The first token of each is drawn from the same logits, those behind the prompt.
      const row = made === 0 ? 0 : i;
      const of = logits.data.subarray(row * vocabSize, (row + 1) * vocabSize);
      return { answer, token: sampleToken(of, (streams[answer] as Philox).uniform(), options) };
    });
    yield* drawn;
    const going = drawn.filter(({ token }) => token !== options.endOfText);
    if (going.length === 0 || made + 1 === room) return;
    live = going.map(({ answer }) => answer);
    logits = decoder.read(
      Int32Array.from(going, ({ token }) => token),
      Int32Array.from(live, (answer) => prompt.length + answer * room + made),
    );
  }
}
