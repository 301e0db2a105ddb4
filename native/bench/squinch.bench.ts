// Usage: npx jiti native/bench/squinch.bench.ts
import { allocateAligned, float32ToBf16, squinchDecode, squinchEncode, tensorAt } from "../js/index.js";
import { nativeTables, sqrtTables } from "../test/squinch-reference.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

reportBackend();
const tables = nativeTables(sqrtTables);
for (const n of [1 << 18, 1 << 25]) {
  // Normal values, repeated: drawing so many would take longer than the bench.
  const normal = Float32Array.from(
    { length: 4099 },
    (_, i) => Math.sqrt(-2 * Math.log((i + 1) / 4100)) * Math.cos(i * i),
  );
  const x = tensorOf([n], (i) => normal[i % 4099] as number);
  const out = tensorOf([n]);
  const encodedBytes = (6 * n) / 8;
  const bytes = tensorAt("uint8", allocateAligned(encodedBytes), 0, [encodedBytes]);
  const narrow = tensorAt("bfloat16", allocateAligned(2 * n), 0, [n]);
  float32ToBf16(x, narrow);
  const report = (name: string, traffic: number, run: () => void) => reportBandwidth(`${name} [${n}]`, traffic, run);
  report("encode", 4 * n + encodedBytes, () => squinchEncode(x, bytes, tables));
  report("encode bf16", 2 * n + encodedBytes, () => squinchEncode(narrow, bytes, tables));
  report("encode stochastic", 4 * n + encodedBytes, () =>
    squinchEncode(x, bytes, tables, { stochastic: true, seed: 1, stream: 2 }),
  );
  const residual = tensorOf([n]);
  const kept = { residual, residualOut: residual, saturate: true };
  report("encode residual", 12 * n + encodedBytes, () => squinchEncode(x, bytes, tables, kept));
  report("encode gain", 4 * n + encodedBytes, () => squinchEncode(x, bytes, tables, { gain: true }));
  report("decode", 4 * n + encodedBytes, () => squinchDecode(bytes, out, tables));
  report("decode and add", 8 * n + encodedBytes, () => squinchDecode(bytes, out, tables, { accumulate: true }));
  report("decode and add, scaled", 8 * n + encodedBytes, () =>
    squinchDecode(bytes, out, tables, { accumulate: true, scale: 0.25 }),
  );
}
