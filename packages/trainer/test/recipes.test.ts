import { describe, expect, it } from "vitest";
import { type Recipe, resolveRecipe } from "../src/config/index.js";
import { recipeByName, recipes } from "../src/recipes/index.js";

const resolved = (name: string) => resolveRecipe(recipeByName(name, { dataDir: "data" }));

/** Parameters from the definition of each layer, written out apart from the model's code. */
function parameterCount({ model }: Recipe): number {
  const { vocabSize: V, hiddenSize: C, numHeads: H, numKvHeads: K, headDim: D, intermediateSize: F } = model;
  const bias = (width: number) => (model.bias ? width : 0);
  const norm = C * (model.norm === "layernorm" ? 2 : 1);
  const attention = C * (H + 2 * K) * D + bias((H + 2 * K) * D) + H * D * C + bias(C);
  const inputs = model.activation === "silu-gated" ? 2 : 1;
  const feedForward = inputs * (C * F + bias(F)) + F * C + bias(C);
  const embeddings = V * C * (model.tieEmbeddings ? 1 : 2) + (model.positions === "learned" ? model.maxSeqLen * C : 0);
  return embeddings + model.numLayers * (attention + feedForward + 2 * norm) + norm;
}

describe("recipes", () => {
  it("start has 3 to 5 million parameters in the published architecture", () => {
    const recipe = resolved("start");
    expect(parameterCount(recipe)).toBe(4_394_240);
    expect(recipe.model).toMatchObject({ numKvHeads: 1, norm: "rmsnorm", activation: "relu2", tieEmbeddings: true });
    expect(recipe.model.globalEvery).toBe(recipe.model.numLayers);
    expect(recipe.model.window).toBeLessThan(recipe.data.seqLen);
  });

  it("gpt2-s and gpt2-m have the sizes of the models that they are compared with", () => {
    expect(parameterCount(resolved("gpt2-s"))).toBe(4_273_664);
    expect(parameterCount(resolved("gpt2-m"))).toBe(13_891_584);
    for (const name of ["gpt2-s", "gpt2-m"]) {
      expect(resolved(name).batchSize * resolved(name).data.seqLen).toBe(2048);
    }
  });

  it("llama-tiny is grouped and gated, and smoke is tiny", () => {
    expect(resolved("llama-tiny").model).toMatchObject({ activation: "silu-gated", numHeads: 8, numKvHeads: 2 });
    expect(parameterCount(resolved("smoke"))).toBeLessThan(30_000);
  });

  it("every recipe can be had by name, and a wrong name is answered with the right ones", () => {
    const byThemselves = Object.keys(recipes).filter((name) => name !== "chat");
    for (const name of byThemselves) expect(resolved(name).name).toBe(name);
    expect(() => recipeByName("gpt3", { dataDir: "d" })).toThrow(
      /chat, gpt2-m, gpt2-s, llama-tiny, smoke, start.*got "gpt3"/,
    );
    expect(() => recipeByName("toString", { dataDir: "d" })).toThrow(/expected one of/);
  });
});
