// Usage: npx jiti native/bench/rms-norm.bench.ts
import { rmsNormBackward, rmsNormForward } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

const eps = 1e-5;

reportBackend();
for (const [rows, columns] of [
  [2048, 256],
  [8192, 64],
  [32768, 768],
] as const) {
  const shape = [rows, columns];
  const size = 4 * rows * columns;
  const [x, y, dy, dx] = [tensorOf(shape), tensorOf(shape), tensorOf(shape), tensorOf(shape)];
  const [weight, dweight, rstd] = [tensorOf([columns]), tensorOf([columns]), tensorOf([rows])];
  reportBandwidth(`rmsNormForward [${shape}]`, 2 * size, () => rmsNormForward(x, weight, y, rstd, { eps }));
  reportBandwidth(`rmsNormBackward [${shape}]`, 3 * size, () => rmsNormBackward(dy, x, weight, rstd, dx, dweight));
  reportBandwidth(`rmsNormBackward [${shape}], accumulate`, 4 * size, () =>
    rmsNormBackward(dy, x, weight, rstd, dx, dweight, { accumulate: true }),
  );
}
