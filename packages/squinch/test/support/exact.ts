// Correctly rounded float32 values of exp and of square roots, by integer arithmetic on 320 binary places.
const places = 320n;
const one = 1n << places;

/** exp(numerator / denominator), with an error far below 2⁻²⁵⁰. */
function exp(numerator: number, denominator: number): bigint {
  // By its series for a 256th of the exponent, squared eight times.
  const x = (BigInt(numerator) * one) / BigInt(denominator) / 256n;
  let term = one;
  let sum = one;
  for (let k = 1n; k < 80n; k++) {
    term = (term * x) / one / k;
    sum += term;
  }
  for (let i = 0; i < 8; i++) sum = (sum * sum) / one;
  return sum;
}

/** The square root of numerator / denominator, rounded down to 320 places. */
function squareRoot(numerator: bigint, denominator: bigint): bigint {
  const square = (numerator * one * one) / denominator;
  let root = 1n << BigInt((square.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (root + square / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** The float32 nearest to a positive number (normal, and not half-way between two). */
function round32(value: bigint): number {
  const length = BigInt(value.toString(2).length);
  const shift = length - 24n;
  const mantissa = (value + (1n << (shift - 1n))) >> shift;
  return Number(mantissa) * 2 ** Number(shift - places);
}

/** round32(exp((q − 128) / 6)). */
export function exactMaximum(q: number): number {
  return round32(exp(q - 128, 6));
}

/** round32(256 / exp((q − 128) / 6)). */
export function exactInverse(q: number): number {
  return round32(256n * exp(128 - q, 6));
}

/** round32(0.97 · (k / 15)^2.5) = round32(√(0.9409 · k⁵ / 15⁵)). */
export function exactAdamLevel(k: number): number {
  return k === 0 ? 0 : round32(squareRoot(9409n * BigInt(k) ** 5n, 10000n * 15n ** 5n));
}
