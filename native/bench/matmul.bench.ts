// Usage: npx jiti native/bench/matmul.bench.ts
// GFLOP/s of a training step's products, and GB/s of b where few rows make a product wait for memory, beside a copy.
import { biasBackward, matmul } from "../js/index.js";
import { mediansMs, reportBackend, reportBandwidth, tensorOf } from "./harness.js";

const shapes = [
  { form: "NT", m: 2048, n: 768, k: 256 },
  { form: "NN", m: 2048, n: 256, k: 1024 },
  { form: "TN", m: 1024, n: 256, k: 2048 },
  { form: "NN", m: 256, n: 256, k: 4096 },
  { form: "NN", m: 2048, n: 2048, k: 2048 },
] as const;

reportBackend();
for (const { form, m, n, k } of shapes) {
  const [transposeA, transposeB] = [form.startsWith("T"), form.endsWith("T")];
  const a = tensorOf(transposeA ? [k, m] : [m, k]);
  const b = tensorOf(transposeB ? [n, k] : [k, n]);
  const [plain, fused] = [tensorOf([m, n]), tensorOf([m, n])];
  const bias = tensorOf([n]);
  const [plainMs, fusedMs] = mediansMs([
    () => matmul(a, b, plain, { transposeA, transposeB }),
    () => matmul(a, b, fused, { transposeA, transposeB, bias, activation: "gelu" }),
  ]) as [number, number];
  const speed = (ms: number) => `${((2 * m * n * k) / ms / 1e6).toFixed(1).padStart(6)} GFLOP/s`;
  const label = `matmul ${form} ${m}x${n}x${k}`.padEnd(48);
  console.log(`${label} ${speed(plainMs)}   with bias and gelu ${speed(fusedMs)}`);
}

for (const m of [1, 4, 16]) {
  const [a, b, out] = [tensorOf([m, 1024]), tensorOf([4096, 1024]), tensorOf([m, 4096])];
  reportBandwidth(`matmul NT ${m}x4096x1024`, 4 * 4096 * 1024, () => matmul(a, b, out, { transposeB: true }));
}

const [dy, dbias] = [tensorOf([2048, 1024]), tensorOf([1024])];
reportBandwidth("biasBackward [2048,1024]", 4 * 2048 * 1024, () => biasBackward(dy, dbias));
