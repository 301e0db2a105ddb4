// Usage: npx jiti native/bench/bf16.bench.ts
import { bf16Round, bf16ToFloat32, float32ToBf16, zeros } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

reportBackend();
for (const n of [262_144, 1 << 25]) {
  const [x, out, narrow] = [tensorOf([n]), tensorOf([n]), zeros([n], "bfloat16")];
  reportBandwidth(`bf16Round [${n}]`, 8 * n, () => bf16Round(x, out));
  reportBandwidth(`float32ToBf16 [${n}]`, 6 * n, () => float32ToBf16(x, narrow));
  reportBandwidth(`bf16ToFloat32 [${n}]`, 6 * n, () => bf16ToFloat32(narrow, out));
}
