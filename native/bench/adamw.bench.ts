// Usage: npx jiti native/bench/adamw.bench.ts
import { adamwStep } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

const options = { lr: 1e-4, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, step: 100 };

reportBackend();
for (const n of [65_536, 1 << 20, 1 << 25]) {
  const [param, grad, m, v] = [tensorOf([n]), tensorOf([n]), tensorOf([n]), tensorOf([n], (i) => Math.sin(i) ** 2)];
  reportBandwidth(`adamwStep [${n}]`, 7 * 4 * n, () => adamwStep(param, grad, m, v, options));
}
