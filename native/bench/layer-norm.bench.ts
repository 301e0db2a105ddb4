// Usage: npx jiti native/bench/layer-norm.bench.ts
import { layerNormBackward, layerNormForward } from "../js/index.js";
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
  const [weight, bias] = [tensorOf([columns]), tensorOf([columns])];
  const [dweight, dbias] = [tensorOf([columns]), tensorOf([columns])];
  const [mean, rstd] = [tensorOf([rows]), tensorOf([rows])];
  reportBandwidth(`layerNormForward [${shape}]`, 2 * size, () =>
    layerNormForward(x, weight, bias, y, mean, rstd, { eps }),
  );
  reportBandwidth(`layerNormBackward [${shape}]`, 3 * size, () =>
    layerNormBackward(dy, x, weight, mean, rstd, dx, dweight, dbias),
  );
  reportBandwidth(`layerNormBackward [${shape}], accumulate`, 4 * size, () =>
    layerNormBackward(dy, x, weight, mean, rstd, dx, dweight, dbias, { accumulate: true }),
  );
}
