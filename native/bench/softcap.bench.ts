// Usage: npx jiti native/bench/softcap.bench.ts
import { softcapBackward, softcapForward } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

const cap = 30;

reportBackend();
for (const shape of [
  [256, 4096],
  [8192, 4096],
] as const) {
  const size = 4 * shape[0] * shape[1];
  const [x, y, dy] = [tensorOf(shape), tensorOf(shape), tensorOf(shape)];
  reportBandwidth(`softcapForward [${shape}]`, 2 * size, () => softcapForward(x, y, { cap }));
  reportBandwidth(`softcapBackward [${shape}]`, 3 * size, () => softcapBackward(dy, y, x, { cap }));
}
