import type { FloatTensor } from "@cai/native";
import { bestCandidates } from "./beam-candidates.js";

export interface BeamSearchOptions {
  /** Hypotheses followed side by side, from 1. */
  beams: number;
  /** Most tokens of a hypothesis, its end-of-text token counted; the model's maxSeqLen bounds prompt and continuation together. */
  maxTokens: number;
  /** Ends a hypothesis. */
  endOfText?: number;
  /** alpha, from 0: how much the score favours longer hypotheses. [0.6] */
  lengthPenalty?: number;
}

/** A continuation that beam search found. */
export interface Hypothesis {
  /** Without the end-of-text token. */
  readonly tokens: readonly number[];
  /** Whether it ended with the end-of-text token rather than at `maxTokens`. */
  readonly ended: boolean;
  /** Σ ln p over its tokens, that of the end-of-text token included, added in double precision. */
  readonly logProb: number;
  /** logProb / ((5 + n) / 6)^alpha over the n tokens of logProb. */
  readonly score: number;
}

/**
 * The logits [n, V] behind n hypotheses, of which number i continues hypothesis `parents[i]` of the call before with
 * `tokens[i]`; before the first call there is one, the prompt.
 */
export type Continue = (parents: Int32Array, tokens: Int32Array) => FloatTensor;

type Live = Pick<Hypothesis, "tokens" | "logProb">;

/**
 * Beam search over anything that gives logits: the policy, without a model.
 *
 * A step ranks all continuations of the live hypotheses by log-probability (among equals the lower beam, then the lower
 * token, first) and walks down until `beams` are found that don't end the text: they live on. Those met on the way that
 * do end it are finished, and the `beams` finished ones with the best scores are kept. What lives at `maxTokens` competes
 * as it is.
 *
 * Stops early when `beams` are kept and the worst of their scores is at least logProb / ((5 + maxTokens) / 6)^alpha of the
 * best live hypothesis. None can do better, since log-probabilities only fall and alpha is not negative: stopping loses
 * nothing.
 *
 * Source of the score: Wu et al., "Google's Neural Machine Translation System", 2016, without its coverage penalty.
 *
 * @param first logits [1, V] behind the prompt. @returns at most `beams`, best first.
 */
export function searchBeams(first: FloatTensor, next: Continue, options: BeamSearchOptions): Hypothesis[] {
  const { beams, maxTokens, endOfText, lengthPenalty = 0.6 } = options;
  const scoreOf = (logProb: number, length: number) => logProb / ((5 + length) / 6) ** lengthPenalty;
  const kept: Hypothesis[] = [];
  let live: Live[] = [{ tokens: [], logProb: 0 }];
  let logits = first;
  for (let length = 1; length <= maxTokens; length++) {
    const parents: number[] = [];
    const continued: Live[] = [];
    // Each beam ends the text in one way at most: among twice as many candidates are enough that don't.
    for (const { beam, token, logProb } of bestCandidates(logits, logProbsOf(live), 2 * beams)) {
      const { tokens } = live[beam] as Live;
      if (token === endOfText) {
        keep(kept, { tokens, ended: true, logProb, score: scoreOf(logProb, length) }, beams);
        continue;
      }
      parents.push(beam);
      continued.push({ tokens: [...tokens, token], logProb });
      if (continued.length === beams) break;
    }
    live = continued;
    const best = live[0];
    if (!best || length === maxTokens) break;
    const worst = kept[beams - 1];
    if (worst && worst.score >= scoreOf(best.logProb, maxTokens)) return kept;
    logits = next(Int32Array.from(parents), lastTokens(live));
  }
  for (const { tokens, logProb } of live) {
    keep(kept, { tokens, ended: false, logProb, score: scoreOf(logProb, tokens.length) }, beams);
  }
  return kept;
}

/** Puts a hypothesis behind those that are no worse, and drops what is too many. */
function keep(kept: Hypothesis[], hypothesis: Hypothesis, most: number): void {
  const worse = kept.findIndex(({ score }) => score < hypothesis.score);
  kept.splice(worse < 0 ? kept.length : worse, 0, hypothesis);
  if (kept.length > most) kept.pop();
}

function logProbsOf(live: readonly Live[]): number[] {
  return live.map(({ logProb }) => logProb);
}

function lastTokens(live: readonly Live[]): Int32Array {
  return Int32Array.from(live, ({ tokens }) => tokens.at(-1) as number);
}
