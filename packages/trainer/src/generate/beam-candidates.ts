import { CaiError, crossEntropyForward, type FloatTensor, intTensor, zeros } from "@cai/native";

/** A hypothesis continued by one token. */
export interface Candidate {
  /** Which of the live hypotheses, by rank. */
  readonly beam: number;
  readonly token: number;
  /** Of the whole continuation, natural. */
  readonly logProb: number;
}

/**
 * The `count` likeliest continuations of hypotheses by one token, best first; among equals the lower beam, then the lower
 * token, comes first.
 *
 * @param logits [n, V] behind each hypothesis. @param logProbs the log-probability of each so far.
 * @throws CaiError `E_ARGUMENT` when logits are NaN or infinity, or none of a row is finite.
 */
export function bestCandidates(logits: FloatTensor, logProbs: readonly number[], count: number): Candidate[] {
  const vocabSize = logits.shape[1] as number;
  const lse = logSumExp(logits);
  const best: Candidate[] = [];
  let worst = -Infinity;
  logProbs.forEach((logProb, beam) => {
    const row = logits.data.subarray(beam * vocabSize, (beam + 1) * vocabSize);
    const rowLse = lse[beam] as number;
    for (let token = 0; token < vocabSize; token++) {
      const sum = logProb + ((row[token] as number) - rowLse);
      if (sum <= worst) continue;
      insert(best, { beam, token, logProb: sum });
      if (best.length > count) best.pop();
      if (best.length === count) worst = (best[count - 1] as Candidate).logProb;
    }
  });
  return best;
}

/** Behind its equals, which came from a lower beam or token. */
function insert(best: Candidate[], candidate: Candidate): void {
  let at = best.length;
  while (at > 0 && (best[at - 1] as Candidate).logProb < candidate.logProb) at--;
  best.splice(at, 0, candidate);
}

function logSumExp(logits: FloatTensor): Float32Array {
  const rows = logits.shape[0] as number;
  const [lse, unused] = [zeros([rows]), zeros([rows])];
  lse.data.fill(-Infinity);
  crossEntropyForward(logits, intTensor(new Int32Array(rows), [rows]), lse, unused);
  const bad = lse.data.find((value) => !Number.isFinite(value));
  if (bad === undefined) return lse.data;
  const expected = "logits must be below infinity and at least one of a row finite";
  throw new CaiError("E_ARGUMENT", "beamSearch", `${expected}, got a row whose log-sum-exp is ${bad}`);
}
