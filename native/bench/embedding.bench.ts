// Usage: npx jiti native/bench/embedding.bench.ts
import { embeddingBackward, embeddingForward, intTensor } from "../js/index.js";
import { reportBackend, reportBandwidth, tensorOf } from "./harness.js";

reportBackend();
for (const [count, vocabulary, columns] of [
  [2048, 4096, 256],
  [2048, 131_072, 384],
  [32_768, 131_072, 768],
] as const) {
  const weight = tensorOf([vocabulary, columns]);
  const rows = tensorOf([count, columns]);
  // A full-period walk: scattered, hardly a row twice.
  const ids = intTensor(
    Int32Array.from({ length: count }, (_, i) => (i * 40_503) % vocabulary),
    [count],
  );
  const size = 4 * count * columns;
  const shape = `${count} of [${vocabulary},${columns}]`;
  reportBandwidth(`embeddingForward ${shape}`, 2 * size, () => embeddingForward(ids, weight, rows));
  reportBandwidth(`embeddingForward ${shape}, accumulate`, 3 * size, () =>
    embeddingForward(ids, weight, rows, { accumulate: true }),
  );
  reportBandwidth(`embeddingBackward ${shape}`, 3 * size, () => embeddingBackward(ids, rows, weight));
}
