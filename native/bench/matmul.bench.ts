// Usage: npx jiti native/bench/matmul.bench.ts
// GFLOP/s of each form on a training step's shapes, beside the product of 2048³ as the practical peak, measured in turn;
// GB/s of the products that memory bounds. `npm run bench -- gemm` measures against oneDNN.
import { biasBackward, matmul } from "../js/index.js";
import { mediansMs, reportBackend, reportBandwidth, tensorOf } from "./harness.js";

const shapes = [
  { m: 2048, n: 1024, k: 256 },
  { m: 2048, n: 256, k: 1024 },
  { m: 1024, n: 256, k: 2048 },
  { m: 256, n: 4096, k: 256 },
  { m: 256, n: 256, k: 256 },
  { m: 64, n: 64, k: 64 },
];
const forms = [{}, { transposeB: true }, { transposeA: true }];

reportBackend();
const side = 2048;
const [a, b, product] = [tensorOf([side, side]), tensorOf([side, side]), tensorOf([side, side])];
for (const { m, n, k } of shapes) {
  const out = tensorOf([m, n]);
  for (const form of forms) {
    const { transposeA = false, transposeB = false } = form as { transposeA?: boolean; transposeB?: boolean };
    const left = tensorOf(transposeA ? [k, m] : [m, k]);
    const right = tensorOf(transposeB ? [n, k] : [k, n]);
    const [ms = 0, peakMs = 0] = mediansMs([() => matmul(left, right, out, form), () => matmul(a, b, product)]);
    const [speed, peak] = [(2 * m * n * k) / ms / 1e6, (2 * side ** 3) / peakMs / 1e6];
    const name = `matmul ${transposeA ? "T" : "N"}${transposeB ? "T" : "N"} ${m}x${n}x${k}`;
    console.log(`${name.padEnd(32)} ${speed.toFixed(0).padStart(5)} GFLOP/s   2048³ ${peak.toFixed(0).padStart(5)}`);
  }
}

const vector = tensorOf([1, 1024]);
const weights = tensorOf([4096, 1024]);
const row = tensorOf([1, 4096]);
reportBandwidth("matmul NT 1x4096x1024", 4 * 4096 * 1024, () => matmul(vector, weights, row, { transposeB: true }));
const dy = tensorOf([2048, 1024]);
const dbias = tensorOf([1024]);
reportBandwidth("biasBackward [2048,1024]", 4 * 2048 * 1024, () => biasBackward(dy, dbias));
