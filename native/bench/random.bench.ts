// Usage: npx jiti native/bench/random.bench.ts
import { randomNormal, randomUniform } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

const stream = { seed: 1, stream: 2 };

reportBackend();
for (const n of [262_144, 1 << 25]) {
  const out = tensorOf([n]);
  reportBandwidth(`randomUniform [${n}]`, 4 * n, () => randomUniform(out, stream));
  reportBandwidth(`randomNormal [${n}]`, 4 * n, () => randomNormal(out, stream));
}
