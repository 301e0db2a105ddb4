import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const node = fileURLToPath(new URL("../dist/node.js", import.meta.url));

/** Heap and array memory that 200 calls on 100,000 values leave behind when nothing is collected, in bytes a call. */
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
    // Long enough for the compiler to have done with everything.
    for (let i = 0; i < 300; i++) { ${call} }
    const before = used();
    for (let i = 0; i < 200; i++) { ${call} }
    console.log((used() - before) / 200);
  `;
  // A young generation too large to be collected in that time: whatever is allocated shows.
  const flags = ["--max-semi-space-size=256", "--min-semi-space-size=256", "--input-type=module"];
  const env = { ...process.env, CAI_BACKEND: backend };
  return Number(execFileSync(process.execPath, [...flags, "--eval", script], { encoding: "utf8", env }));
}

// A call makes its options, its result and a few views or none: hundreds of bytes, where one copy of x is 400,000.
it.each([
  ["encodes", "encodeInto(x, out);"],
  ["encodes with adam", 'encodeInto(x, out, { codebook: "adam" });'],
  ["encodes bfloat16", "encodeInto(half, out);"],
  ["encodes with a residual and a gain", "encodeInto(x, withGain, { residual, gain: true });"],
  ["decodes and adds", "decode(out, n, { out: back, accumulate: true, scale: 0.5 });"],
])("%s without allocating more than a few objects a call", (_, call) => {
  for (const backend of ["portable", "auto"]) expect(growth(call, backend)).toBeLessThan(4000);
});
