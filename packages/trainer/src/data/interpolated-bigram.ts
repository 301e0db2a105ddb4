import { PairCounts } from "./pair-counts.js";

/** The discount when nothing is held out to fit it on. */
const usualDiscount = 0.75;

/**
 * A bigram model by interpolated absolute discounting (Ney, Essen and Kneser 1994):
 *
 *     P(s | c) = max(n(c, s) - D, 0) / n(c)  +  D · k(c) / n(c) · P(s),     P(s) = (n(s) + 1) / (N + V)
 *
 * with n the counts, k(c) the number of different symbols seen after c, N all symbols counted, V their kinds.
 * After a context never seen it is P(s).
 */
export class InterpolatedBigram {
  private readonly pairs: PairCounts;
  private readonly contextCounts: Float64Array;
  private readonly followers: Uint32Array;
  private readonly symbolCounts: Float64Array;
  private total = 0;
  /** D, 0 to 1. */
  discount = usualDiscount;

  /** @param symbols V: symbols and contexts are 0 to V - 1 */
  constructor(private readonly symbols: number) {
    this.pairs = new PairCounts(symbols);
    this.contextCounts = new Float64Array(symbols);
    this.followers = new Uint32Array(symbols);
    this.symbolCounts = new Float64Array(symbols);
  }

  /** Counts `symbol` after `context`. */
  add(context: number, symbol: number): void {
    if (this.pairs.add(context, symbol) === 0) this.followers[context] = (this.followers[context] as number) + 1;
    this.contextCounts[context] = (this.contextCounts[context] as number) + 1;
    this.symbolCounts[symbol] = (this.symbolCounts[symbol] as number) + 1;
    this.total++;
  }

  /** P(symbol | context), above 0. */
  probability(context: number, symbol: number): number {
    const count = this.contextCounts[context] as number;
    const unigram = this.unigram(symbol);
    if (count === 0) return unigram;
    const pair = this.pairs.get(context, symbol);
    return interpolate(this.discount, pair / count, count, (this.followers[context] as number) / count, unigram);
  }

  /**
   * Sets the discount to the one under which the pairs are most probable, to 1e-4, by golden-section search.
   *
   * @param held contexts and symbols, alternating, that were not counted
   */
  fitDiscount(held: ArrayLike<number>): void {
    const terms: number[] = [];
    for (let i = 0; i + 1 < held.length; i += 2) {
      const context = held[i] as number;
      const symbol = held[i + 1] as number;
      const count = this.contextCounts[context] as number;
      if (count === 0) continue;
      const pair = this.pairs.get(context, symbol);
      terms.push(pair / count, count, (this.followers[context] as number) / count, this.unigram(symbol));
    }
    if (terms.length === 0) return;
    const flat = Float64Array.from(terms);
    this.discount = minimise((discount) => {
      let nats = 0;
      for (let i = 0; i < flat.length; i += 4) {
        const seen = flat[i] as number;
        const count = flat[i + 1] as number;
        nats -= Math.log(interpolate(discount, seen, count, flat[i + 2] as number, flat[i + 3] as number));
      }
      return nats;
    });
  }

  private unigram(symbol: number): number {
    return ((this.symbolCounts[symbol] as number) + 1) / (this.total + this.symbols);
  }
}

/** @param seen n(c, s) / n(c). @param kinds k(c) / n(c) */
function interpolate(discount: number, seen: number, count: number, kinds: number, unigram: number): number {
  return Math.max(seen - discount / count, 0) + discount * kinds * unigram;
}

function minimise(f: (x: number) => number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let low = 1e-3;
  let high = 1 - 1e-3;
  let left = high - ratio * (high - low);
  let right = low + ratio * (high - low);
  let fLeft = f(left);
  let fRight = f(right);
  while (high - low > 1e-4) {
    if (fLeft <= fRight) {
      [high, right, fRight] = [right, left, fLeft];
      left = high - ratio * (high - low);
      fLeft = f(left);
    } else {
      [low, left, fLeft] = [left, right, fRight];
      right = low + ratio * (high - low);
      fRight = f(right);
    }
  }
  return (low + high) / 2;
}
