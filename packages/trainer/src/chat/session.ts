import { CaiError, Philox } from "@cai/native";
import { type ChatTemplate, type ChatTurn, chatPrompt, VisibilityMask } from "@cai/visibility-mask";
import type { Tokenizer } from "../data/index.js";
import { Decoder } from "../generate/decoder.js";
import { samplingStream } from "../generate/sample-answers.js";
import { checkSampling, type SamplingOptions, sampleToken } from "../generate/sampler.js";
import type { Transformer } from "../model/transformer.js";

export interface ChatOptions extends SamplingOptions {
  /** What the model was tuned with. */
  template: ChatTemplate;
  /** A first turn that tells the model who it is. */
  system?: string | undefined;
  /** Most tokens of an answer. */
  maxTokens: number;
  /** Same seed and messages, same answers. [1] */
  seed?: number;
}

/** How an answer ended: by the model, after maxTokens, or where the context was full. */
export type AnswerEnd = "stop" | "length" | "context";

type Turn = Pick<ChatTurn, "role" | "text">;

/** The share of the context that is kept free for an answer. */
const answerShare = 1 / 4;
/** What a conversation is cut down to when it is cut, so that it is not cut again at the next turn. */
const keptShare = 1 / 2;

/**
 * A conversation with a model. Keys and values of what was said stay in a cache, so that a turn costs its own tokens only.
 *
 * When less than a quarter of the context (maxTokens if that is less) is left for an answer, the oldest exchanges, each a
 * user's turn with all up to the next, are dropped until the rest fills no more than half; the system's turn and the
 * latest stay. What is left is then read again, since its positions have changed.
 */
export class ChatSession {
  /** What was said and is still remembered. */
  #turns: Turn[] = [];
  readonly #system: readonly Turn[];
  readonly #decoder: Decoder;
  /** The tokens in the slots of the cache. */
  readonly #cached: number[] = [];
  /** What each answer was drawn as: encoding its text may give other tokens. */
  readonly #drawn = new Map<string, Int32Array>();
  readonly #draws: Philox;

  constructor(
    private readonly model: Transformer,
    private readonly tokenizer: Tokenizer,
    private readonly options: ChatOptions,
  ) {
    const { system, seed = 1, maxTokens } = options;
    if (!Number.isInteger(maxTokens) || maxTokens < 1) {
      throw new CaiError("E_ARGUMENT", "chat", `maxTokens must be an integer of at least 1, got ${maxTokens}`);
    }
    checkSampling(options);
    this.#system = system === undefined ? [] : [{ role: "system", text: system }];
    this.#decoder = new Decoder(model, VisibilityMask.causal(model.config.maxSeqLen));
    this.#draws = new Philox(seed, samplingStream);
  }

  /**
   * Takes what the user says; {@link answer} comes next.
   *
   * @returns how many of the oldest exchanges were dropped for it.
   * @throws CaiError `E_ARGUMENT` for a message that leaves no room for an answer by itself; the conversation stays as it was.
   */
  say(text: string): { dropped: number } {
    const { maxSeqLen } = this.model.config;
    const most = maxSeqLen - Math.min(this.options.maxTokens, Math.ceil(maxSeqLen * answerShare));
    let turns: Turn[] = [...this.#turns, { role: "user", text }];
    let length = this.#prompt(turns).tokens.length;
    const kept = length > most ? maxSeqLen * keptShare : most;
    let dropped = 0;
    for (let next = secondExchange(turns); length > kept && next > 0; next = secondExchange(turns)) {
      turns = turns.slice(next);
      length = this.#prompt(turns).tokens.length;
      dropped++;
    }
    if (length > most) {
      const system = this.#system.length > 0 ? " with the system's turn" : "";
      const room = `at most ${most} tokens of a context of ${maxSeqLen}`;
      throw new CaiError("E_ARGUMENT", "chat", `the message must have${system} ${room}, got ${length}: say it shorter`);
    }
    this.#turns = turns;
    return { dropped };
  }

  /**
   * The model's answer, piece by piece as it is drawn; it returns how the answer ended. Who stops reading early has heard,
   * and the model said, no more than that.
   */
  *answer(): Generator<string, AnswerEnd, void> {
    const { maxTokens } = this.options;
    const { tokens: prompt, stopToken } = this.#prompt(this.#turns);
    const room = Math.min(maxTokens, this.model.config.maxSeqLen - prompt.length);
    const decoder = this.tokenizer.stream();
    const ids: number[] = [];
    let text = "";
    try {
      let logits = this.#readUpTo(prompt);
      for (;;) {
        const id = sampleToken(logits, this.#draws.uniform(), this.options);
        const stops = id === stopToken || id === this.tokenizer.endOfText;
        if (!stops) ids.push(id);
        const isLast = stops || ids.length === room;
        const piece = (stops ? "" : decoder.push(id)) + (isLast ? decoder.end() : "");
        text += piece;
        if (piece !== "") yield piece;
        if (isLast) return stops ? "stop" : room === maxTokens ? "length" : "context";
        logits = this.#read([id]);
      }
    } finally {
      this.#drawn.set(text, Int32Array.from(ids));
      this.#turns.push({ role: "assistant", text });
    }
  }

  /** Forgets all but the system's turn. */
  reset(): void {
    this.#turns = [];
    this.#drawn.clear();
  }

  #prompt(turns: readonly Turn[]) {
    const { tokenizer } = this;
    return chatPrompt([...this.#system, ...turns], {
      template: this.options.template,
      encode: (text, options) =>
        (options.special ? undefined : this.#drawn.get(text)) ?? tokenizer.encode(text, options),
    });
  }

  /** Reads what of `tokens` is not in the cache. @returns the logits behind the last of them. */
  #readUpTo(tokens: Int32Array): Float32Array {
    let known = 0;
    while (known < tokens.length - 1 && this.#cached[known] === tokens[known]) known++;
    this.#cached.length = known;
    return this.#read(tokens.subarray(known));
  }

  #read(tokens: ArrayLike<number>): Float32Array {
    const left = Array.from(tokens);
    let logits: Float32Array = new Float32Array();
    while (left.length > 0) {
      // In powers of two: the decoder keeps memory for every length that it has seen.
      const piece = Int32Array.from(left.splice(0, 2 ** Math.floor(Math.log2(left.length))));
      const slots = piece.map((_, i) => this.#cached.length + i);
      logits = this.#decoder.read(piece, slots, 1).data;
      this.#cached.push(...piece);
    }
    return logits;
  }
}

/** Where the second exchange begins: with the user's next turn; -1 where there is none. */
function secondExchange(turns: readonly Turn[]): number {
  return turns.findIndex(({ role }, i) => i > 0 && role === "user");
}
