import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const node = fileURLToPath(new URL("../dist/node.js", import.meta.url));

/** Heap and array memory that a call on 100,000 values leaves behind while nothing is collected, in bytes. */
function growth(call: string, backend: string): number {
  const script = `
    import { decode, encodedLength, encodeInto } from ${JSON.stringify(node)};
    const n = 100_003;
    const x = Float32Array.from({ length: n }, (_, i) => Math.sin(i));
    const half = new Uint16Array(n).fill(0x3f80);
    const out = new Uint8Array(encodedLength(n));
    const withGain = new Uint8Array(encodedLength(n, { gain: true }));
    const back = new Float32Array(n);
    const residual = new Float32Array(n);
    const used = () => { const { heapUsed, arrayBuffers } = process.memoryUsage(); return heapUsed + arrayBuffers; };
    let least = Infinity;
    // The compiler works beside this: the round after it is done counts.
    for (let round = 0; round < 6; round++) {
      const before = used();
      for (let i = 0; i < 40; i++) { ${call} }
      least = Math.min(least, (used() - before) / 40);
    }
    console.log(least);
  `;
  // A young generation too large to be collected in that time: whatever is allocated shows.
  const flags = ["--max-semi-space-size=256", "--min-semi-space-size=256", "--input-type=module"];
  const env = { ...process.env, CAI_BACKEND: backend };
  return Number(execFileSync(process.execPath, [...flags, "--eval", script], { encoding: "utf8", env }));
}

// A call makes a few small objects, and V8 boxes the numbers of the first turns of a loop that it enters in unoptimised
// code: about 600 bytes for each of 13 chunks. One copy of x would be 400,000.
it.each([
  ["encodes", "encodeInto(x, out);"],
  ["encodes with adam", 'encodeInto(x, out, { codebook: "adam" });'],
  ["encodes bfloat16", "encodeInto(half, out);"],
  ["encodes with a residual and a gain", "encodeInto(x, withGain, { residual, gain: true });"],
  ["decodes and adds", "decode(out, n, { out: back, accumulate: true, scale: 0.5 });"],
])("%s without allocating more than a few objects a call", (_, call) => {
  for (const backend of ["portable", "auto"]) expect(growth(call, backend)).toBeLessThan(20_000);
});
