import { CaiError } from "@cai/native";
import { byLogit } from "./by-logit.js";

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
 * Ties are broken towards the lower id. Probabilities are summed in doubles.
 *
 * @param uniform a number in [0, 1): the draw.
 * @throws CaiError `E_ARGUMENT` for options out of range, or when no logit is finite.
 */
export function sampleToken(logits: Float32Array, uniform: number, options: SamplingOptions = {}): number {
  const { temperature, topK, topP } = checkSampling(options);
  const best = greatest(logits);
  if (temperature === 0) return best;

  const weightOf = (id: number) => Math.exp(((logits[id] as number) - (logits[best] as number)) / temperature);
  const order = topK > 0 || topP < 1 ? byLogit(logits) : logits.keys();
  let kept = topK > 0 ? firstOf(order, topK) : order;
  if (topP < 1) {
    const all = total(topK > 0 ? (kept as number[]) : logits.keys(), weightOf);
    kept = firstOf(kept, Infinity, { weightOf, mass: topP * all });
  }
  const ids = [...kept];
  const weights = ids.map(weightOf);
  let left = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < ids.length; i++) {
    left -= weights[i] as number;
    if (left < 0) return ids[i] as number;
  }
  return ids.at(-1) as number;
}

/** The first `count` ids of an order, or fewer, at least one, whose weights reach `mass`. */
function firstOf(
  order: Iterable<number>,
  count: number,
  enough?: { weightOf: (id: number) => number; mass: number },
): number[] {
  const first: number[] = [];
  let mass = 0;
  for (const id of order) {
    first.push(id);
    if (enough) mass += enough.weightOf(id);
    if (first.length === count || (enough && mass >= enough.mass)) break;
  }
  return first;
}

function total(ids: Iterable<number>, weightOf: (id: number) => number): number {
  let sum = 0;
  for (const id of ids) sum += weightOf(id);
  return sum;
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

function checkRange(name: string, value: number, valid: boolean, expected: string): void {
  if (!valid) throw new CaiError("E_ARGUMENT", "sample", `${name} must be ${expected}, got ${value}`);
}
