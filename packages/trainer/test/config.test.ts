import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCaiError } from "@cai/native";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { applyOverrides, parseRecipe, type RecipeInput, readRecipeFile, resolveRecipe } from "../src/config/index.js";
import { recipes } from "../src/recipes/index.js";
import { smoke } from "../src/recipes/smoke.js";

const base = () => smoke({ dataDir: "data" });

/** The problems of a refused recipe, one a line, without the heading. */
function problems(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (!isCaiError(error) || error.code !== "E_CONFIG") throw error;
    const lines = error.message.replace(/^recipe: /, "").split("\n");
    return lines.length === 1 ? lines : lines.slice(1).map((line) => line.trim());
  }
  return [];
}

const withChange = (path: string, value: unknown) => () => {
  const recipe = structuredClone(base()) as Record<string, unknown>;
  const names = path.split(".");
  let section = recipe;
  for (const name of names.slice(0, -1)) section = section[name] as Record<string, unknown>;
  const last = names.at(-1) as string;
  if (value === undefined) delete section[last];
  else section[last] = value;
  return parseRecipe(recipe);
};

describe("parseRecipe", () => {
  it("fills in the documented defaults and what follows from other fields", () => {
    const recipe = parseRecipe({ ...base(), gradAccumSteps: 1 });
    expect(recipe).toMatchObject({
      seed: 1,
      gradAccumSteps: 1,
      keepCheckpoints: 3,
      logEvery: 1,
      threads: 0,
      lossChunkRows: 256,
      lossChunkVocab: 0,
    });
    expect(recipe.optim).toEqual({
      lr: 3e-3,
      minLrRatio: 0.1,
      beta1: 0.9,
      beta2: 0.95,
      eps: 1e-8,
      weightDecay: 0.1,
      gradClip: 1,
      maxSkippedSteps: 10,
    });
    expect(recipe.distributed).toEqual({
      exchange: "float32",
      mode: "replicated",
      parameterType: "float32",
      codebook: "sqrt",
      rounding: "nearest",
      errorFeedback: false,
      gain: false,
      policy: "uniform",
      policyEvery: 100,
      bucketMiB: 4,
      levels: 1,
      ranksPerNode: 0,
      timeoutS: 60,
      heartbeatS: 1,
    });
    expect(recipe.model).toMatchObject({
      headDim: 8,
      normEps: 1e-5,
      ropeTheta: 10_000,
      qkNorm: false,
      attentionSoftcap: 0,
      logitSoftcap: 0,
      initStd: 0.02,
    });
  });

  it("takes all heads as key-value heads, and a fifth of the steps to decay, when not told", () => {
    const { numKvHeads, window, globalEvery, ...model } = base().model;
    const recipe = parseRecipe({ ...base(), model, schedule: { kind: "wsd", warmupSteps: 2 } });
    expect(recipe.model).toMatchObject({ numKvHeads: 4, window: 0, globalEvery: 6 });
    expect(recipe.schedule.decaySteps).toBe(4);
    expect(numKvHeads).toBe(1);
    expect([window, globalEvery]).toEqual([16, 2]);
  });

  it.each([
    ["steps", 0, "steps: expected an integer from 1 to 1000000000, got 0"],
    ["steps", 1.5, "steps: expected an integer from 1 to 1000000000, got 1.5"],
    ["steps", "ten", 'steps: expected an integer from 1 to 1000000000, got "ten"'],
    ["steps", undefined, "steps: expected an integer from 1 to 1000000000, got nothing"],
    ["optim.lr", 0, "optim.lr: expected a number above 0 and at most 10, got 0"],
    ["optim.lr", Number.NaN, "optim.lr: expected a number above 0 and at most 10, got NaN"],
    ["optim.beta2", 1, "optim.beta2: expected a number from 0 to below 1, got 1"],
    ["model.bias", "yes", 'model.bias: expected true or false, got "yes"'],
    ["data.packing", "dense", 'data.packing: expected one of packed, padded, stream, got "dense"'],
    ["model.activation", "swiglu", 'model.activation: expected one of relu2, gelu, silu-gated, got "swiglu"'],
    ["model", 7, "model: expected an object of fields, got 7"],
    ["model", undefined, "model: expected an object of fields, got nothing"],
    ["data.dir", "", 'data.dir: expected a path, got ""'],
    ["data.weights", { a: -1 }, "data.weights.a: expected a number from 0 to 1000000000, got -1"],
    ["data.weights", { a: 0 }, 'data.weights: expected at least one weight above 0, got {"a":0}'],
  ])("says for %s = %j what was expected and what came", (path, value, message) => {
    expect(problems(withChange(path, value))).toEqual([message]);
  });

  it.each([
    ["model.numHeads", 5, /^model\.numHeads: expected a divisor of model\.hiddenSize \(32\).*got 5$/],
    ["model.numKvHeads", 3, /^model\.numKvHeads: expected a divisor of model\.numHeads \(4\), got 3$/],
    ["model.headDim", 7, /^model\.headDim: expected an even number for rotary positions, got 7$/],
    ["data.seqLen", 33, /^data\.seqLen: expected at most model\.maxSeqLen \(32\), got 33$/],
    ["lossChunkVocab", 321, /^lossChunkVocab: expected at most model\.vocabSize \(320\), got 321$/],
    ["schedule.warmupSteps", 21, /^schedule\.warmupSteps: expected at most steps \(20\), got 21$/],
    ["schedule.decaySteps", 19, /^schedule\.decaySteps: expected at most 18 .*got 19$/],
    ["schedule.kind", "cosine", /^schedule\.decaySteps: expected no value.*got 5$/],
  ])("checks %s = %j against the fields beside it", (path, value, message) => {
    expect(problems(withChange(path, value))).toEqual([expect.stringMatching(message)]);
  });

  it("takes a head width of its own, and an odd one for learned positions", () => {
    expect(withChange("model.headDim", 6)().model.headDim).toBe(6);
    const model = { ...base().model, headDim: 7, positions: "learned" as const };
    expect(parseRecipe({ ...base(), model }).model.headDim).toBe(7);
  });

  it("accepts relations at their limits", () => {
    expect(withChange("schedule.decaySteps", 18)().schedule.decaySteps).toBe(18);
    expect(withChange("lossChunkVocab", 320)().lossChunkVocab).toBe(320);
    expect(parseRecipe({ ...base(), schedule: { kind: "cosine", warmupSteps: 20 } }).steps).toBe(20);
  });

  it.each([
    ["model.numLayer", "did you mean model.numLayers?"],
    ["model.num_heads", "did you mean model.numHeads?"],
    ["warmupSteps", "did you mean schedule.warmupSteps?"],
    ["batch_size", "did you mean batchSize?"],
    ["optim.learning", "fields here: lr, minLrRatio,"],
  ])("refuses the unknown field %s and suggests a known one", (path, hint) => {
    expect(problems(withChange(path, 1))).toEqual([expect.stringContaining(hint)]);
    expect(problems(withChange(path, 1))[0]).toMatch(new RegExp(`^${path}: expected a known field`));
  });

  it("tells every problem at once, one a line", () => {
    const recipe = { ...base(), steps: -1, batchSize: 0, colour: "red" };
    const lines = problems(() => parseRecipe(recipe));
    expect(lines).toHaveLength(3);
    expect(lines.map((line) => line.split(":")[0]).sort()).toEqual(["batchSize", "colour", "steps"]);
  });

  it.each([[null], [undefined], [[]], ["start"], [3]])("refuses %j, which is no recipe", (value) => {
    expect(problems(() => parseRecipe(value))[0]).toMatch(/^recipe: expected an object of fields, got/);
  });

  it("does not let a hostile key through", () => {
    const hostile = JSON.parse(
      '{"__proto__": {"steps": 1}, "data": {"dir": "d", "seqLen": 1, "weights": {"../x": 1}}}',
    );
    const lines = problems(() => parseRecipe({ ...base(), ...hostile }));
    expect(lines.some((line) => line.startsWith("data.weights"))).toBe(true);
    expect(({} as Record<string, unknown>).steps).toBeUndefined();
  });
});

describe("resolveRecipe", () => {
  const choose = <const T extends readonly unknown[]>(...values: T) => fc.constantFrom<T[number]>(...values);

  const byThemselves = Object.keys(recipes).filter((name) => name !== "chat");

  it.each(byThemselves)("gives for recipe %s a complete recipe that parses to itself", (name) => {
    const resolved = resolveRecipe((recipes[name] as typeof smoke)({ dataDir: "somewhere" }));
    expect(parseRecipe(JSON.parse(JSON.stringify(resolved)))).toEqual(resolved);
    expect(resolved.name).toBe(name);
    expect(resolved.data.dir).toBe("somewhere");
  });

  it("gives a fixed point for any valid recipe, also through JSON", () => {
    const recipe: fc.Arbitrary<RecipeInput> = fc
      .record({
        heads: fc.integer({ min: 1, max: 8 }),
        groups: fc.integer({ min: 1, max: 4 }),
        width: fc.integer({ min: 1, max: 16 }),
        kv: fc.boolean(),
        steps: fc.integer({ min: 5, max: 1000 }),
        kind: choose("cosine", "wsd"),
        lr: fc.double({ min: 1e-9, max: 10, noNaN: true }),
        weights: fc.option(fc.constant({ sotu: 2, "moby-dick": 0.5 }), { nil: undefined }),
        seed: fc.maxSafeNat(),
      })
      .map(({ heads, groups, width, kv, steps, kind, lr, weights, seed }) => ({
        ...base(),
        seed,
        model: {
          ...base().model,
          numHeads: heads * groups,
          hiddenSize: heads * groups * width * 2,
          ...(kv ? { numKvHeads: heads } : {}),
        },
        data: { dir: "d", seqLen: 8, ...(weights ? { weights } : {}) },
        steps,
        optim: { lr },
        schedule: { kind, warmupSteps: Math.floor(steps / 3) },
      }));
    fc.assert(
      fc.property(recipe, (input) => {
        const resolved = resolveRecipe(input);
        expect(resolveRecipe(resolved)).toEqual(resolved);
        expect(parseRecipe(JSON.parse(JSON.stringify(resolved)))).toEqual(resolved);
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});

describe("applyOverrides", () => {
  it("replaces values by path, in order, on a copy", () => {
    const input = base();
    const recipe = resolveRecipe(input, ["optim.lr=3e-4", "model.bias=true", "name=mine", "optim.lr=2.5e-4"]);
    expect(recipe).toMatchObject({ name: "mine", optim: { lr: 2.5e-4 }, model: { bias: true } });
    expect(input).toEqual(base());
  });

  it("sets whole sections and corpus weights, names with dots too", () => {
    const recipe = resolveRecipe(base(), [
      "schedule={kind: cosine, warmupSteps: 3}",
      "data.weights.sotu=2",
      "data.weights.v1.5=1",
    ]);
    expect(recipe.schedule).toEqual({ kind: "cosine", warmupSteps: 3 });
    expect(recipe.data.weights).toEqual({ sotu: 2, "v1.5": 1 });
  });

  it("changes what follows from an overridden field", () => {
    expect(resolveRecipe(base(), ["model.hiddenSize=64"]).model.headDim).toBe(16);
  });

  it("keeps a path with an equals sign in its value", () => {
    expect(resolveRecipe(base(), ["data.dir=/a=b"]).data.dir).toBe("/a=b");
  });

  it.each([
    ["optim.lrr=1", /expected a known field, got optim\.lrr; did you mean optim\.lr\?/],
    ["lr=1", /did you mean optim\.lr\?/],
    ["model.zzzzzz=1", /fields here: family, vocabSize/],
    ["__proto__.x=1", /expected a known field/],
    ["data.weights.__proto__=1", /expected a known field/],
    ["steps", /expected path=value/],
    ["steps=", /expected path=value/],
    ["=3", /expected a known field, got nothing/],
    ["data={a: [}", /expected a YAML value/],
    ["steps.more=3", /expected a known field/],
  ])("refuses %j with a reason", (override, message) => {
    expect(problems(() => applyOverrides(base(), [override]))).toEqual([expect.stringMatching(message)]);
  });

  it("refuses a path through what is no section", () => {
    expect(problems(() => applyOverrides({ model: 3 }, ["model.bias=true"]))[0]).toMatch(
      /model to be a section.*got 3/,
    );
  });
});

describe("readRecipeFile", () => {
  const directory = mkdtempSync(join(tmpdir(), "cai-recipe-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };

  it("reads the same recipe from YAML and JSON", () => {
    const json = file("a.json", JSON.stringify(base()));
    const yaml = file("a.yaml", `# comment\n${JSON.stringify(base())}`);
    const block = file("b.YML", "name: tiny\noptim:\n  lr: 3e-4\n");
    expect(parseRecipe(readRecipeFile(json))).toEqual(parseRecipe(base()));
    expect(readRecipeFile(yaml)).toEqual(readRecipeFile(json));
    expect(readRecipeFile(block)).toEqual({ name: "tiny", optim: { lr: 3e-4 } });
  });

  it.each([
    ["bad.yaml", "a: 1\na: 2\n", /bad\.yaml: .*unique.* line 2/],
    ["bad.json", "{", /bad\.json: /],
    ["list.yaml", "- 1\n", /expected an object of fields, got \[1\]/],
    ["empty.yml", "", /expected an object of fields, got null/],
    ["recipe.toml", "", /expected a name ending in \.yaml, \.yml or \.json/],
  ])("refuses %s", (name, text, message) => {
    const path = file(name, text);
    expect(problems(() => readRecipeFile(path))).toEqual([expect.stringMatching(message)]);
  });

  it("says when there is no such file", () => {
    expect(() => readRecipeFile(join(directory, "none.yaml"))).toThrow(/none\.yaml can't be read \(ENOENT\)/);
  });
});

describe("the distributed section", () => {
  const set = (...overrides: string[]) =>
    resolveRecipe(
      base(),
      overrides.map((text) => `distributed.${text}`),
    );

  it("is set field by field, and takes what fits together", () => {
    const recipe = set("exchange=squinch", "codebook=adam", "errorFeedback=true", "gain=true", "policy=measured");
    expect(recipe.distributed).toMatchObject({ exchange: "squinch", codebook: "adam", gain: true });
    expect(set("mode=sharded", "parameterType=bf16").distributed.parameterType).toBe("bf16");
    expect(set("levels=2", "ranksPerNode=4", "exchange=bf16", "errorFeedback=true").distributed.levels).toBe(2);
    expect(parseRecipe(recipe)).toEqual(recipe);
  });

  it.each([
    [["codebook=adam"], 'distributed.codebook: expected sqrt unless distributed.exchange is squinch, got "adam"'],
    [
      ["exchange=bf16", "rounding=stochastic"],
      "distributed.rounding: expected nearest unless distributed.exchange is squinch",
    ],
    [["gain=true"], "distributed.gain: expected false unless distributed.exchange is squinch"],
    [["policy=measured"], "distributed.policy: expected uniform unless distributed.exchange is squinch"],
    [
      ["errorFeedback=true"],
      "distributed.errorFeedback: expected false unless distributed.exchange is bf16 or squinch",
    ],
    [
      ["exchange=squinch", "gain=true", "rounding=stochastic"],
      "distributed.gain: expected false unless distributed.rounding",
    ],
    [["parameterType=bf16"], "distributed.parameterType: expected float32 unless distributed.mode is sharded"],
    [["ranksPerNode=2"], "distributed.ranksPerNode: expected 0 unless distributed.levels is 2"],
    [["levels=2", "mode=sharded"], "distributed.levels: expected 1 unless distributed.mode is replicated"],
    [["bucketMiB=0"], "distributed.bucketMiB: expected a number above 0"],
  ])("names what does not fit in %j", (overrides, message) => {
    expect(problems(() => set(...overrides)).join()).toContain(message);
  });
});
