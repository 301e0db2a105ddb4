// Usage: npx jiti native/bench/rotary.bench.ts
import { type FloatTensor, rotary } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

reportBackend();
for (const [batch, sequence, heads, size] of [
  [8, 256, 4, 64],
  [8, 1024, 12, 64],
  [8, 1024, 12, 16],
] as const) {
  const shape = [batch, sequence, heads, size];
  const bytes = 8 * batch * sequence * heads * size;
  const [x, out] = [tensorOf(shape), tensorOf(shape)];
  // True rotations: over thousands of turns in place, any other factor would lead to infinity or to slow subnormals.
  const turn = (i: number) => (i % 2 === 0 ? Math.cos(i) : Math.sin(i - 1));
  const table = tensorOf([sequence, size / 2, 2], turn);
  const width = 3 * heads * size;
  const fused = tensorOf([batch, sequence, width]);
  const q: FloatTensor = { ...fused, shape, strides: [sequence * width, width, size, 1] };
  reportBandwidth(`rotary [${shape}]`, bytes, () => rotary(x, table, null, out));
  reportBandwidth(`rotary [${shape}] in place in q, k, v`, bytes, () => rotary(q, table, null, q));
}
