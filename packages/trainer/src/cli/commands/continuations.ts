import type { Answer } from "../../generate/sample-answers.js";
import type { Hypothesis } from "../../generate/search-beams.js";

/** A text that was drawn, or one that beam search found, which has a score. */
export type Continuation = Answer & Partial<Pick<Hypothesis, "logProb" | "score">>;

/** Writes continuations to stdout: one JSON object, a single text as it is, or several with numbers and what there is to say. */
export function printContinuations(
  continuations: readonly Continuation[],
  { prompt, json, decode }: { prompt: string; json: boolean | undefined; decode: (ids: readonly number[]) => string },
): void {
  if (json) {
    const texts = continuations.map(({ tokens, ...others }) => ({ text: decode(tokens), ids: tokens, ...others }));
    process.stdout.write(`${JSON.stringify({ prompt, texts })}\n`);
    return;
  }
  const texts = continuations.map(({ tokens }) => `${prompt}${decode(tokens)}\n`);
  const numbered = texts.map((text, i) => `[${i + 1}] ${headingOf(continuations[i] as Continuation)}\n${text}`);
  process.stdout.write((texts.length === 1 ? texts : numbered).join("\n"));
}

function headingOf({ tokens, ended, logProb, score }: Continuation): string {
  const length = `${tokens.length} tokens, ${ended ? "ended" : "not ended"}`;
  if (score === undefined || logProb === undefined) return length;
  return `score ${score.toFixed(3)}, ln p ${logProb.toFixed(3)}, ${length}`;
}
