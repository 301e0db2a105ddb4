import type { CodebookName } from "@cai/squinch";

const codes = Array.from({ length: 16 }, (_, k) => k);

/** FORMAT.md's levels by formula or decimals, without its bit patterns. */
const levels: Record<Exclude<CodebookName, "sqrt">, number[]> = {
  adam: codes.map((k) => 0.97 * (k / 15) ** 2.5),
  lloyd: [
    0, 0.045, 0.0923, 0.1419, 0.1933, 0.2476, 0.3053, 0.3662, 0.4313, 0.5009, 0.576, 0.6575, 0.7466, 0.8464, 0.9026,
    0.9652,
  ],
};

export const referenceCodebooks: readonly CodebookName[] = ["sqrt", "adam", "lloyd"];

/**
 * What Squinch's published formulas (and our levels) make of x in double precision, with the logarithm and exponential of
 * this machine: shares nothing with the package.
 */
export function referenceRoundTrip(x: Float32Array, codebook: CodebookName): Float64Array {
  const out = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += 8) {
    const block = x.subarray(start, start + 8);
    const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const q = Math.max(0, Math.min(255, Math.floor(6 * Math.log(largest) + 129)));
    if (q === 0) continue;
    const maxabs = Math.exp((q - 128) / 6);
    block.forEach((value, i) => {
      const size = maxabs * level(Math.abs(value) / maxabs, codebook);
      out[start + i] = value < 0 ? -size : size;
    });
  }
  return out;
}

function level(share: number, codebook: CodebookName): number {
  if (codebook === "sqrt") return ((Math.min(15, Math.floor(16 * Math.sqrt(share))) + 0.5) / 16) ** 2;
  return levels[codebook].reduce((best, one) => (Math.abs(one - share) <= Math.abs(best - share) ? one : best));
}

/** 10 · log10 of signal to noise in double precision, each value in its unit. */
export function referenceDb(x: Float32Array, decoded: Float64Array, unit?: Float32Array): number {
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < x.length; i++) {
    const u = unit?.[i] ?? 1;
    signal += ((x[i] as number) / u) ** 2;
    noise += (((decoded[i] as number) - (x[i] as number)) / u) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}
