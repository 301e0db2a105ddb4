// Usage: npx jiti native/bench/silu-gated.bench.ts
import { siluGatedBackward, siluGatedForward } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

reportBackend();
for (const shape of [
  [2048, 1024],
  [16384, 1024],
] as const) {
  const size = 4 * shape[0] * shape[1];
  const [gate, up, y] = [tensorOf(shape), tensorOf(shape), tensorOf(shape)];
  const [dgate, dup] = [tensorOf(shape), tensorOf(shape)];
  reportBandwidth(`siluGatedForward [${shape}]`, 3 * size, () => siluGatedForward(gate, up, y));
  reportBandwidth(`siluGatedBackward [${shape}]`, 5 * size, () => siluGatedBackward(y, gate, up, dgate, dup));
}
