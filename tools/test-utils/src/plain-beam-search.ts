export interface PlainHypothesis {
  readonly tokens: readonly number[];
  readonly ended: boolean;
  readonly logProb: number;
  readonly score: number;
}

export interface PlainBeamOptions {
  readonly beams: number;
  readonly maxTokens: number;
  readonly endOfText?: number;
  readonly lengthPenalty: number;
}

export interface PlainBeams {
  readonly hypotheses: readonly PlainHypothesis[];
  /**
   * The smallest difference that decided what is kept: between what was taken and the next best, over all steps and the
   * end. Whoever computes log-probabilities less exactly than this may rightly find others.
   */
  readonly margin: number;
}

/**
 * Beam search by its definition: every hypothesis by itself, its logits from its tokens alone; every continuation ranked by
 * a full sort; never stopping before `maxTokens`; scores logProb / ((5 + n) / 6)^alpha.
 *
 * @param logits those behind the prompt and `tokens`.
 */
export function plainBeamSearch(
  logits: (tokens: readonly number[]) => ArrayLike<number>,
  { beams, maxTokens, endOfText, lengthPenalty }: PlainBeamOptions,
): PlainBeams {
  const found: PlainHypothesis[] = [];
  const offer = (tokens: readonly number[], ended: boolean, logProb: number, length: number) =>
    found.push({ tokens, ended, logProb, score: logProb / ((5 + length) / 6) ** lengthPenalty });
  let live: { tokens: readonly number[]; logProb: number }[] = [{ tokens: [], logProb: 0 }];
  let margin = Infinity;
  for (let length = 1; length <= maxTokens; length++) {
    const candidates = live.flatMap(({ tokens, logProb }, beam) =>
      logSoftmax(logits(tokens)).map((term, token) => ({ tokens, beam, token, logProb: logProb + term })),
    );
    candidates.sort((a, b) => b.logProb - a.logProb || a.beam - b.beam || a.token - b.token);
    const goingOn = candidates.filter(({ token }) => token !== endOfText).slice(0, beams);
    const last = goingOn[beams - 1];
    const end = last ? candidates.indexOf(last) + 1 : candidates.length;
    margin = Math.min(margin, gap(candidates[end - 1], candidates[end]));
    for (const { tokens, token, logProb } of candidates.slice(0, end)) {
      if (token !== endOfText) continue;
      offer(tokens, true, logProb, length);
      if (last) margin = Math.min(margin, logProb - last.logProb);
    }
    live = goingOn.map(({ tokens, token, logProb }) => ({ tokens: [...tokens, token], logProb }));
  }
  for (const { tokens, logProb } of live) offer(tokens, false, logProb, tokens.length);
  found.sort((a, b) => b.score - a.score);
  const [worst, refused] = [found[beams - 1], found[beams]];
  if (worst && refused) margin = Math.min(margin, worst.score - refused.score);
  return { hypotheses: found.slice(0, beams), margin };
}

/**
 * Whether `actual` is what {@link plainBeamSearch} gives: the same hypotheses, their log-probabilities and scores
 * within `tolerance`, in the same order but for scores that are as close as that. "near tie": it is not, and a decision
 * hung on less than `tolerance`; then each hypothesis must still have the log-probability that its own tokens give.
 */
export function compareBeams(
  actual: readonly PlainHypothesis[],
  plain: PlainBeams,
  { tolerance, logProbOf }: { tolerance: number; logProbOf: (hypothesis: PlainHypothesis) => number },
): "same" | "near tie" | "mismatch" {
  const near = (a: number, b: number) => Math.abs(a - b) <= tolerance;
  const ordered = actual.every(({ score }, i) => score <= (actual[i - 1]?.score ?? Infinity));
  if (!ordered || actual.length !== plain.hypotheses.length) return "mismatch";
  const same = actual.every((ours, i) => {
    const theirs = plain.hypotheses.find(
      ({ tokens, ended }) => ended === ours.ended && tokens.join() === ours.tokens.join(),
    );
    const there = plain.hypotheses[i] as PlainHypothesis;
    return (
      theirs && near(ours.logProb, theirs.logProb) && near(ours.score, theirs.score) && near(ours.score, there.score)
    );
  });
  if (same) return "same";
  const honest = actual.every((hypothesis) => near(hypothesis.logProb, logProbOf(hypothesis)));
  return honest && plain.margin <= tolerance ? "near tie" : "mismatch";
}

/** ln softmax in double precision. */
export function logSoftmax(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const top = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const lse = top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
  return values.map((value) => value - lse);
}

function gap(taken: { logProb: number } | undefined, next: { logProb: number } | undefined): number {
  return taken && next ? taken.logProb - next.logProb : Infinity;
}
