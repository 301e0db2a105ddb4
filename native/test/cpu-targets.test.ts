import { expectAllClose } from "@cai/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TemporaryPackage, temporaryPackage } from "./temporary-package.js";

const targets = ["baseline", "avx2", ""] as const;

/** Ops that promise the same bits on every processor. */
const exact = [
  "adamwStep",
  "bf16Round",
  "bf16ToFloat32",
  "float32ToBf16",
  "randomNormal",
  "randomUniform",
  "squinchDecode",
  "squinchEncode",
  "sumOfSquares",
];

// The others add the same float32 terms in another order, or fuse a multiplication with an addition: each of about
// sqrt(terms) roundings of 6e-8. No case sums more than some hundred terms of size 1 to 10, and cancellation leaves an
// error of the terms' size, hence the absolute part.
const tolerance = { rtol: 1e-5, atol: 1e-5 };

interface Digest {
  cpuTarget: string;
  outputs: Map<string, Float64Array>;
}

let box: TemporaryPackage;
const digests = new Map<string, Digest>();

beforeAll(async () => {
  box = await temporaryPackage(["digest"]);
  for (const target of targets) {
    const { code, stdout, stderr } = await box.run("digest.js", { env: { CAI_CPU_TARGET: target } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { cpuTarget, outputs } = JSON.parse(stdout) as { cpuTarget: string; outputs: Record<string, string> };
    const decoded = Object.entries(outputs).map(([name, text]): [string, Float64Array] => {
      const bytes = Uint8Array.from(Buffer.from(text, "base64"));
      return [name, new Float64Array(bytes.buffer)];
    });
    digests.set(target, { cpuTarget, outputs: new Map(decoded) });
  }
});
afterAll(() => box.remove());

const digest = (target: string) => digests.get(target) as Digest;

describe("CAI_CPU_TARGET", () => {
  it("baseline runs on any processor, and unset takes the best there is", () => {
    expect(digest("baseline").cpuTarget).toBe("baseline");
    const order = ["baseline", "neon", "avx2", "avx512", "amx"];
    expect(order.indexOf(digest("").cpuTarget)).toBeGreaterThanOrEqual(order.indexOf(digest("avx2").cpuTarget));
  });

  it("avx2 is used where the processor has it, otherwise the next best, which is told", ({ annotate }) => {
    const { cpuTarget } = digest("avx2");
    if (cpuTarget !== "avx2") annotate(`this processor has no AVX2: ${cpuTarget} was compared in its place`);
    expect(cpuTarget === "avx2" || cpuTarget === digest("").cpuTarget).toBe(true);
  });

  it.each(targets.slice(0, 2))("%s gives the results of the best one", (target) => {
    const best = digest("");
    const other = digest(target);
    expect([...other.outputs.keys()]).toEqual([...best.outputs.keys()]);
    for (const [name, values] of best.outputs) {
      const actual = other.outputs.get(name) as Float64Array;
      expect(values.length, name).toBeGreaterThan(0);
      if (exact.includes(name)) expect(actual, name).toEqual(values);
      else expectAllClose(actual, values, tolerance);
    }
  });
});
