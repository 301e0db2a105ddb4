import { expectAllClose, randomFloats, randomInts } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { causalBatch } from "../../src/data/index.js";
import { Trainer } from "../../src/trainer.js";
import { referenceLogits, referenceLoss } from "../support/reference-transformer.js";
import { architectures, tinyRecipe } from "../support/tiny-recipe.js";

const [batchSize, seqLen, vocabSize] = [3, 8, 37];

function batch(seed = 1) {
  const tokens = randomInts(batchSize * seqLen, vocabSize, seed);
  const targets = randomInts(batchSize * seqLen, vocabSize, seed + 1);
  targets[3] = -1;
  targets[20] = -1;
  return causalBatch(tokens, targets, seqLen);
}

/** Gains and biases away from one and zero, where a mistake in them would hide. */
function scatterConstants(trainer: Trainer): void {
  let seed = 100;
  for (const [, tensor] of trainer.parameters()) {
    if (tensor.shape.length > 1) continue;
    const noise = randomFloats(tensor.data.length, seed++, 0.2);
    tensor.data.forEach((value, i) => {
      tensor.data[i] = value + (noise[i] as number);
    });
  }
}

describe.each(Object.entries(architectures))("transformer: %s", (_, model) => {
  it("has the loss that the definitions give in double precision", () => {
    const trainer = new Trainer(tinyRecipe(model));
    scatterConstants(trainer);
    const data = batch();
    let expected = 0;
    for (let row = 0; row < batchSize; row++) {
      const span = [row * seqLen, (row + 1) * seqLen] as const;
      const logits = referenceLogits(trainer.recipe.model, trainer.parameters(), data.tokens.subarray(...span));
      expected += referenceLoss(logits, data.targets.subarray(...span));
    }
    // Two layers of float32 products, each rounding to 6e-8 of values near one.
    expectAllClose([trainer.evaluate(data)], [expected], { rtol: 5e-6 });
  });

  it("has gradients that predict how the loss moves, tensor by tensor", () => {
    const trainer = new Trainer(tinyRecipe(model));
    scatterConstants(trainer);
    const data = batch(5);
    trainer.step([data], 0);
    const gradients = new Map([...trainer.gradients()].map(([name, { data: grad }]) => [name, grad.slice()]));
    const global = Math.sqrt([...gradients.values()].reduce((sum, grad) => sum + squares(grad), 0));
    for (const [name, tensor] of trainer.parameters()) {
      const grad = gradients.get(name) as Float32Array;
      const norm = Math.sqrt(squares(grad));
      const origin = tensor.data.slice();
      const random = randomFloats(grad.length, 9);
      const size = Math.sqrt(squares(random));
      // Along the gradient, and along a random direction, which also sees components that should be zero.
      for (const direction of norm > 0 ? [grad.map((g) => g / norm), random.map((r) => r / size)] : [random]) {
        const along = direction.reduce((sum, d, i) => sum + d * (grad[i] as number), 0);
        const h = 2e-3;
        const lossAt = (step: number) => {
          tensor.data.set(origin.map((value, i) => value + step * (direction[i] as number)));
          return trainer.evaluate(data) / data.lossTokens;
        };
        const slope = (8 * (lossAt(h) - lossAt(-h)) - (lossAt(2 * h) - lossAt(-2 * h))) / (12 * h);
        tensor.data.set(origin);
        // A float32 loss of about 4 has steps of 5e-7, divided by h; relu² has a kinked second derivative.
        expect(Math.abs(slope - along), name).toBeLessThan(4e-4 + 2e-3 * Math.max(norm, 1e-3 * global));
      }
    }
  });
});

describe("transformer", () => {
  it("starts from the same values for the same seed, and others for another", () => {
    const values = (seed: number) => new Trainer(tinyRecipe({}, { seed })).parameters();
    expect(values(3)).toEqual(values(3));
    expect(values(3)).not.toEqual(values(4));
  });

  it("starts output projections smaller by sqrt(2 · layers)", () => {
    const model = { hiddenSize: 64, intermediateSize: 256, numLayers: 8, initStd: 0.02 };
    const parameters = new Trainer(tinyRecipe(model)).parameters();
    const std = (name: string) => {
      const { data } = parameters.get(name) as { data: Float32Array };
      return Math.sqrt(squares(data) / data.length);
    };
    // The standard error of a standard deviation over 16,384 values is 0.6 %.
    expectAllClose([std("model.layers.0.mlp.up_proj.weight")], [0.02], { rtol: 0.03 });
    expectAllClose([std("model.layers.7.mlp.down_proj.weight")], [0.02 / 4], { rtol: 0.03 });
  });

  it("has the tensors of Hugging Face's GPT-2 and Llama", () => {
    const names = (model: object) =>
      [...new Trainer(tinyRecipe({ numLayers: 1, ...model })).parameters().keys()].sort();
    expect(names(architectures["GPT-2"] as object)).toEqual([
      "h.0.attn.c_attn.bias",
      "h.0.attn.c_attn.weight",
      "h.0.attn.c_proj.bias",
      "h.0.attn.c_proj.weight",
      "h.0.ln_1.bias",
      "h.0.ln_1.weight",
      "h.0.ln_2.bias",
      "h.0.ln_2.weight",
      "h.0.mlp.c_fc.bias",
      "h.0.mlp.c_fc.weight",
      "h.0.mlp.c_proj.bias",
      "h.0.mlp.c_proj.weight",
      "ln_f.bias",
      "ln_f.weight",
      "wpe.weight",
      "wte.weight",
    ]);
    expect(names(architectures.Llama as object)).toEqual([
      "lm_head.weight",
      "model.embed_tokens.weight",
      "model.layers.0.input_layernorm.weight",
      "model.layers.0.mlp.down_proj.weight",
      "model.layers.0.mlp.gate_proj.weight",
      "model.layers.0.mlp.up_proj.weight",
      "model.layers.0.post_attention_layernorm.weight",
      "model.layers.0.self_attn.k_proj.weight",
      "model.layers.0.self_attn.o_proj.weight",
      "model.layers.0.self_attn.q_proj.weight",
      "model.layers.0.self_attn.v_proj.weight",
      "model.norm.weight",
    ]);
  });
});

function squares(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}
