// Usage: npx jiti native/bench/activation.bench.ts
import { activationBackward, activationForward } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

reportBackend();
for (const shape of [
  [2048, 1024],
  [32768, 1024],
] as const) {
  const size = 4 * shape[0] * shape[1];
  const [x, y, dy] = [tensorOf(shape), tensorOf(shape), tensorOf(shape)];
  for (const kind of ["relu2", "gelu"] as const) {
    reportBandwidth(`activationForward ${kind} [${shape}]`, 2 * size, () => activationForward(x, y, { kind }));
    reportBandwidth(`activationBackward ${kind} [${shape}]`, 3 * size, () => activationBackward(dy, x, y, { kind }));
  }
}
