import { randomFloats } from "@cai/test-utils";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { choosePolicy, measureQuality, type PolicyOptions, type Quality } from "../src/index.js";

const quality = (adamSnrDb: number | null, zeroShare = 0, snrDb = 26): Quality => {
  return { snrDb, adamSnrDb, gain: 1, zeroShare, deadShare: 0, values: 8192 };
};

function policyOf(bySqrt: Quality, byAdam: Quality, options?: PolicyOptions, length = 8192) {
  return choosePolicy(new Map([["w", { length, quality: { sqrt: bySqrt, adam: byAdam } }]]), options).get("w");
}

describe("choosePolicy", () => {
  it("takes the better codebook in Adam's measure, the first of equals", () => {
    expect(policyOf(quality(25), quality(24))).toBe("sqrt");
    expect(policyOf(quality(24), quality(25))).toBe("adam");
    expect(policyOf(quality(25), quality(25))).toBe("sqrt");
  });

  it("goes by the plain measure where there were no units", () => {
    expect(policyOf(quality(null, 0, 25), quality(null, 0, 27))).toBe("adam");
  });

  it("keeps bf16 for what no codebook carries well enough, the limit itself being enough", () => {
    expect(policyOf(quality(19.9), quality(19.8))).toBe("bf16");
    expect(policyOf(quality(20), quality(19.8))).toBe("sqrt");
    expect(policyOf(quality(25), quality(24), { minAdamSnrDb: 26 })).toBe("bf16");
    expect(policyOf(quality(Number.NaN), quality(Number.NaN))).toBe("bf16");
  });

  it("keeps bf16 for small tensors, where the bytes don't count", () => {
    expect(policyOf(quality(40), quality(40), {}, 4095)).toBe("bf16");
    expect(policyOf(quality(40), quality(39), {}, 4096)).toBe("sqrt");
    expect(policyOf(quality(40), quality(39), { minLength: 0 }, 1)).toBe("sqrt");
  });

  it("takes no codebook without a zero for a tensor with many of them", () => {
    expect(policyOf(quality(26, 0.02), quality(23, 0.02))).toBe("adam");
    expect(policyOf(quality(26, 0.01), quality(23, 0.01))).toBe("sqrt");
    expect(policyOf(quality(26, 0.02), quality(19, 0.02))).toBe("bf16");
  });

  it("chooses for each tensor by itself, in the order given", () => {
    const tensors = new Map(
      [30, 10, 25].map((db, i) => [`t${i}`, { length: 8192, quality: { sqrt: quality(db), adam: quality(24) } }]),
    );
    expect([...choosePolicy(tensors)]).toEqual([
      ["t0", "sqrt"],
      ["t1", "adam"],
      ["t2", "sqrt"],
    ]);
  });

  it("never gets better by asking for more: a higher limit only turns codebooks into bf16", () => {
    const db = fc.double({ min: 0, max: 60, noNaN: true });
    fc.assert(
      fc.property(db, db, db, db, (bySqrt, byAdam, low, more) => {
        const lenient = policyOf(quality(bySqrt), quality(byAdam), { minAdamSnrDb: low });
        const strict = policyOf(quality(bySqrt), quality(byAdam), { minAdamSnrDb: low + more });
        expect([lenient, "bf16"]).toContain(strict);
      }),
    );
  });

  it("chooses from real measurements what the README says: sqrt for even units, adam for spread ones, bf16 beyond", () => {
    const policies = [0, 1.4, 3].map((sigma) => {
      const unit = randomFloats(65_536, 1).map((value) => Math.exp(sigma * value));
      const x = randomFloats(65_536, 2).map((value, i) => value * (unit[i] as number));
      const measured = { sqrt: measureQuality(x, { unit }), adam: measureQuality(x, { unit, codebook: "adam" }) };
      return choosePolicy(new Map([["w", { length: x.length, quality: measured }]]), { minAdamSnrDb: 15 }).get("w");
    });
    expect(policies).toEqual(["sqrt", "adam", "bf16"]);
  });

  it("refuses limits that are no numbers and tensors that nobody measured", () => {
    expect(() => policyOf(quality(1), quality(1), { minLength: Number.NaN })).toThrow(/minLength must be a number/);
    expect(() => choosePolicy(new Map([["w", { length: 8, quality: {} }]]))).toThrow(/expected w to be measured/);
  });
});
