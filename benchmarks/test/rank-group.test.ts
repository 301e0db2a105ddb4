import { floatTensor } from "@cai/native";
import { causalBatch } from "@cai/trainer";
import { ParameterStore } from "@cai/trainer/parts";
import { describe, expect, it } from "vitest";
import { captureQuality } from "../src/lib/experts/capture.js";
import { type Exchange, type LearningModel, RankGroup } from "../src/lib/rank-group.js";

const optim = {
  lr: 0.1,
  minLrRatio: 0.1,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0,
  gradClip: 0,
  maxSkippedSteps: 1,
};

/** A "model" of 16 values whose loss is Σ value · token over the tokens: its gradient is the sum of the tokens. */
function linearModel(): LearningModel {
  const parameters = new ParameterStore([{ name: "w", shape: [16], init: { constant: 0 }, decay: false }]);
  return {
    parameters,
    loss: (tape, { tokens }, gradScale) => {
      const w = parameters.get("w");
      const sum = tokens.reduce((total, token) => total + token, 0);
      if (tape.recording) w.grad.data.set(w.grad.data.map((grad) => grad + sum * gradScale));
      return w.value.data.reduce((total, value) => total + value * sum, 0);
    },
  };
}

const batchOf = (...tokens: number[]) => {
  return causalBatch(Int32Array.from(tokens), Int32Array.from(tokens), tokens.length);
};

const exactExchange: Exchange = (gradients) => {
  const sum = gradients.reduce((total, gradient) => total.map((value, i) => value + (gradient[i] as number)));
  for (const gradient of gradients) gradient.set(sum);
};

describe("RankGroup", () => {
  it("gives each rank its own gradient, divided by the loss tokens of all", () => {
    const seen: number[][] = [];
    const exchange: Exchange = (gradients) => {
      seen.push(gradients.map((gradient) => gradient[0] as number));
      exactExchange(gradients);
    };
    const group = new RankGroup(linearModel(), { optim, ranks: 2, exchange });
    group.step([batchOf(1, 2, 3), batchOf(10)], 0.1);
    expect(seen).toEqual([[1.5, 2.5]]);
  });

  it("steps on what was decoded, by Adam, and reports the loss from before", () => {
    const model = linearModel();
    const group = new RankGroup(model, { optim, ranks: 2, exchange: exactExchange });
    expect(group.step([batchOf(1), batchOf(3)], 0.1)).toBe(0);
    // Adam's first step is the learning rate in the direction of the gradient.
    expect(model.parameters.get("w").value.data[5]).toBeCloseTo(-0.1, 6);
    expect(group.evaluate([batchOf(1), batchOf(3)])).toBeCloseTo((16 * -0.1 * 4) / 2, 5);
  });

  it("refuses another number of micro-batches than ranks", () => {
    const group = new RankGroup(linearModel(), { optim, ranks: 2, exchange: exactExchange });
    expect(() => group.step([batchOf(1)], 0.1)).toThrow("a micro-batch for each of 2 ranks, got 1");
  });
});

describe("captureQuality", () => {
  it("compares what an exchange makes of a moment's gradients with their exact sum, and trains on the latter", () => {
    const model = linearModel();
    const halved: Exchange = (gradients) => {
      exactExchange(gradients);
      for (const gradient of gradients) gradient.set(gradient.map((value) => value / 2));
    };
    const captures = captureQuality({
      model,
      optim,
      ranks: 2,
      steps: 3,
      moments: [2],
      nextBatches: () => [batchOf(1), batchOf(3)],
      learningRate: () => 0.1,
      exchanges: { exact: () => exactExchange, halved: () => halved },
      parts: () => [{ name: "all", ranges: [[0, 16]] }],
    });
    expect(captures.map(({ step, part, exchange }) => [step, part, exchange])).toEqual([
      [2, "all", "exact"],
      [2, "all", "halved"],
    ]);
    expect(captures[0]?.snrDb).toBe(Number.POSITIVE_INFINITY);
    // Half of every value is lost: 20 · log10(2) dB, in any unit.
    expect(captures[1]?.snrDb).toBeCloseTo(6.0206, 3);
    expect(captures[1]?.adamSnrDb).toBeCloseTo(6.0206, 3);
    expect(floatTensor(model.parameters.values.data, [16]).data[0]).toBeCloseTo(-0.3, 5);
  });
});
