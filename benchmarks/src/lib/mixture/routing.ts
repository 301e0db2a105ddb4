import { type IntTensor, intTensor } from "@cai/native";
import type { Tape, Variable } from "@cai/trainer/parts";

/** Which row goes to which expert. */
export interface Routing {
  /** int32 [N]: the rows, those of expert 0 first, in rising order within an expert. */
  readonly order: IntTensor;
  /** Expert e has the places first[e] to first[e + 1] − 1 of `order`. */
  readonly first: readonly number[];
  /** [N, 1]: the probability of the expert that was chosen, in the places of `order`. */
  readonly gate: Variable;
  /** Sum over the rows of the balance loss: N · weight · E · Σ_e f_e P_e. */
  readonly balanceLoss: number;
}

export interface RoutingOptions {
  /** Weight of the balance loss; 0 for none. */
  readonly balance: number;
  /** What each row's loss is multiplied by in the gradient. */
  readonly gradScale: number;
}

/**
 * Top-1 routing: each row of `logits` [N, E] goes to its most likely expert (the first of equals), whose output is to be
 * multiplied by softmax(logits) there, so that the router learns.
 *
 * The balance loss weight · E · Σ_e f_e P_e, f_e being the share of rows that expert e gets and P_e its mean
 * probability, keeps experts in use; its gradient goes through P alone. Source: Fedus et al., "Switch Transformers", 2021.
 */
export function routeTopOne(tape: Tape, logits: Variable, { balance, gradScale }: RoutingOptions): Routing {
  const [rows, experts] = logits.value.shape as [number, number];
  const probabilities = tape.arena.take([rows, experts]);
  const chosen = softmaxRows(logits.value.data, probabilities.data, experts);
  const { order, first } = sortByExpert(chosen, experts);
  const p = probabilities.data;
  const gate = tape.variable([rows, 1]);
  order.forEach((row, place) => {
    gate.value.data[place] = p[row * experts + (chosen[row] as number)] as number;
  });
  const shares = Array.from({ length: experts }, (_, e) => ((first[e + 1] as number) - (first[e] as number)) / rows);
  let balanceLoss = 0;
  p.forEach((value, i) => {
    balanceLoss += balance * experts * (shares[i % experts] as number) * value;
  });

  tape.record(gate, [probabilities], [], (dgate) => {
    const { tensor: dlogits, accumulate } = tape.gradientOf(logits);
    if (!accumulate) dlogits.data.fill(0);
    order.forEach((row, place) => {
      const at = row * experts;
      const meanShare = shares.reduce((sum, share, e) => sum + share * (p[at + e] as number), 0);
      const picked = chosen[row] as number;
      const throughGate = (dgate.data[place] as number) * (p[at + picked] as number);
      for (let e = 0; e < experts; e++) {
        const probability = p[at + e] as number;
        const task = throughGate * ((e === picked ? 1 : 0) - probability);
        const even = gradScale * balance * experts * probability * ((shares[e] as number) - meanShare);
        dlogits.data[at + e] = (dlogits.data[at + e] as number) + task + even;
      }
    });
  });
  return { order: intTensor(order, [rows]), first, gate, balanceLoss };
}

/** @returns the column of each row's largest value. */
function softmaxRows(logits: Float32Array, out: Float32Array, columns: number): Int32Array {
  return Int32Array.from({ length: logits.length / columns }, (_, row) => {
    const values = logits.subarray(row * columns, (row + 1) * columns);
    const largest = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
    const total = values.reduce((sum, value) => sum + Math.exp(value - largest), 0);
    values.forEach((value, e) => {
      out[row * columns + e] = Math.exp(value - largest) / total;
    });
    return values.indexOf(largest);
  });
}

/** Counting sort of the rows by their expert. */
function sortByExpert(chosen: Int32Array, experts: number): { order: Int32Array; first: number[] } {
  const first = new Array<number>(experts + 1).fill(0);
  for (const expert of chosen) first[expert + 1] = (first[expert + 1] as number) + 1;
  for (let e = 0; e < experts; e++) first[e + 1] = (first[e + 1] as number) + (first[e] as number);
  const next = [...first];
  const order = new Int32Array(chosen.length);
  chosen.forEach((expert, row) => {
    order[next[expert] as number] = row;
    next[expert] = (next[expert] as number) + 1;
  });
  return { order, first };
}
