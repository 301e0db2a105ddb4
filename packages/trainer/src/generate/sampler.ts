import { CaiError } from "@cai/native";

export interface SamplingOptions {
  /** Divides the logits; 0 takes the most likely token. [1] */
  temperature?: number;
  /** Keeps the k most likely tokens; 0 keeps all. [0] */
  topK?: number;
  /** Keeps the fewest most likely tokens whose probabilities reach p; 1 keeps all. [1] */
  topP?: number;
}

/**
 * Draws a token id from softmax(logits / temperature), cut to the top k and then to the top p.
 *
 * Ties are broken towards the lower id. Probabilities are summed in doubles, in descending order.
 *
 * @param uniform a number in [0, 1): the draw.
 * @throws CaiError `E_ARGUMENT` for options out of range, or when no logit is finite.
 */
export function sampleToken(logits: Float32Array, uniform: number, options: SamplingOptions = {}): number {
  const { temperature, topK, topP } = checkSampling(options);
  const best = greatest(logits);
  if (temperature === 0) return best;

  const order = topK > 0 || topP < 1 ? descending(logits) : Uint32Array.from(logits, (_, id) => id);
  const kept = topK > 0 ? order.subarray(0, topK) : order;
  const weights = Float64Array.from(kept, (id) =>
    Math.exp(((logits[id] as number) - (logits[best] as number)) / temperature),
  );
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  let count = 0;
  let mass = 0;
  while (count < kept.length && (count === 0 || mass < topP * all)) mass += weights[count++] as number;

  let left = uniform * mass;
  for (let i = 0; i < count; i++) {
    left -= weights[i] as number;
    if (left < 0) return kept[i] as number;
  }
  return kept[count - 1] as number;
}

/** The options with their defaults. @throws CaiError `E_ARGUMENT` for one that is out of range. */
export function checkSampling({ temperature = 1, topK = 0, topP = 1 }: SamplingOptions): Required<SamplingOptions> {
  checkRange("temperature", temperature, temperature >= 0 && Number.isFinite(temperature), "a number of at least 0");
  checkRange("topK", topK, Number.isInteger(topK) && topK >= 0, "an integer of at least 0");
  checkRange("topP", topP, topP > 0 && topP <= 1, "a number above 0 and at most 1");
  return { temperature, topK, topP };
}

function greatest(logits: Float32Array): number {
  let best = -1;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (Number.isFinite(logit) && (best < 0 || logit > (logits[best] as number))) best = id;
    else if (Number.isNaN(logit) || logit === Infinity) {
      throw new CaiError("E_ARGUMENT", "sample", `logits must be below infinity, got ${logit} for token ${id}`);
    }
  }
  if (best < 0) throw new CaiError("E_ARGUMENT", "sample", "logits must hold a finite value, got none");
  return best;
}

function descending(logits: Float32Array): Uint32Array {
  return Uint32Array.from(logits, (_, id) => id).sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
}

function checkRange(name: string, value: number, valid: boolean, expected: string): void {
  if (!valid) throw new CaiError("E_ARGUMENT", "sample", `${name} must be ${expected}, got ${value}`);
}
