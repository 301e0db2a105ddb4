// Usage: npx jiti native/bench/sum-of-squares.bench.ts
import { sumOfSquares } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

reportBackend();
for (const [count, n] of [
  [1, 1 << 25],
  [64, 65_536],
  [64, 256],
] as const) {
  const tensors = Array.from({ length: count }, () => tensorOf([n]));
  reportBandwidth(`sumOfSquares ${count} x [${n}]`, 4 * count * n, () => sumOfSquares(tensors));
}
