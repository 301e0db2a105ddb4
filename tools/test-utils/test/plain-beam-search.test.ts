import { describe, expect, it } from "vitest";
import { compareBeams, type PlainBeams, plainBeamSearch } from "../src/plain-beam-search.js";

const logs = (...probabilities: number[]) => probabilities.map(Math.log);

describe("plainBeamSearch", () => {
  it("keeps the likeliest at each step, which need not lead to the likeliest in the end", () => {
    // Token 1 begins the likeliest pair, 0.4 · 0.9, which one beam does not see.
    const logits = (tokens: readonly number[]) =>
      tokens.length === 0 ? logs(0.6, 0.4) : tokens[0] === 0 ? logs(0.5, 0.5) : logs(0.1, 0.9);
    const best = (beams: number) => plainBeamSearch(logits, { beams, maxTokens: 2, lengthPenalty: 0 }).hypotheses[0];
    expect(best(1)).toMatchObject({ tokens: [0, 0], logProb: expect.closeTo(Math.log(0.3), 12) });
    expect(best(2)).toMatchObject({ tokens: [1, 1], logProb: expect.closeTo(Math.log(0.36), 12) });
  });

  it("tells the closest decision", () => {
    const { margin } = plainBeamSearch(() => logs(0.5, 0.3, 0.2), { beams: 2, maxTokens: 1, lengthPenalty: 0 });
    expect(margin).toBeCloseTo(Math.log(0.3 / 0.2), 12);
  });
});

describe("compareBeams", () => {
  const hypothesis = (tokens: number[], logProb: number) => ({ tokens, ended: false, logProb, score: logProb });
  const plain = (margin: number): PlainBeams => ({ hypotheses: [hypothesis([1], -1), hypothesis([2], -2)], margin });
  const options = { tolerance: 0.01, logProbOf: ({ tokens }: { tokens: readonly number[] }) => -(tokens[0] as number) };

  it("calls log-probabilities within the tolerance the same, and others not", () => {
    const found = (logProb: number) => [hypothesis([1], logProb), hypothesis([2], -2)];
    expect(compareBeams(found(-1.005), plain(1), options)).toBe("same");
    expect(compareBeams(found(-1.02), plain(1), options)).toBe("mismatch");
  });

  it("calls other hypotheses a near tie only if a decision was close and their log-probabilities are true", () => {
    const others = [hypothesis([1], -1), hypothesis([3], -3)];
    expect(compareBeams(others, plain(1), options)).toBe("mismatch");
    expect(compareBeams(others, plain(0.001), options)).toBe("near tie");
    expect(compareBeams([hypothesis([1], -1), hypothesis([3], -2)], plain(0.001), options)).toBe("mismatch");
  });

  it("does not accept missing hypotheses or a wrong order", () => {
    expect(compareBeams([hypothesis([1], -1)], plain(0), options)).toBe("mismatch");
    expect(compareBeams([hypothesis([2], -2), hypothesis([1], -1)], plain(0), options)).toBe("mismatch");
  });
});
