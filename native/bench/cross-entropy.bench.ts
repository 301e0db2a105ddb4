// Usage: npx jiti native/bench/cross-entropy.bench.ts
import { crossEntropyBackward, crossEntropyForward, intTensor } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

reportBackend();
for (const shape of [
  [256, 4096],
  [256, 32_768],
  [256, 131_072],
] as const) {
  const [rows, columns] = shape;
  const size = 4 * rows * columns;
  const logits = tensorOf(shape);
  const targets = intTensor(
    Int32Array.from({ length: rows }, (_, r) => (r * 997) % columns),
    [rows],
  );
  const lse = tensorOf([rows], () => Math.log(columns));
  const [targetLogit, dloss] = [tensorOf([rows]), tensorOf([rows], () => 1)];
  reportBandwidth(`crossEntropyForward [${shape}]`, size, () => crossEntropyForward(logits, targets, lse, targetLogit));
  reportBandwidth(`crossEntropyBackward [${shape}]`, 2 * size, () => crossEntropyBackward(logits, targets, lse, dloss));
}
