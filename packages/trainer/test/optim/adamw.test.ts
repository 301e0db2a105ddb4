import { expectAllClose, randomFloats } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { ParameterStore } from "../../src/model/parameter-store.js";
import { AdamW } from "../../src/optim/adamw.js";
import { tinyRecipe } from "../support/tiny-recipe.js";

const specs = [
  { name: "matrix", shape: [5, 7], init: { constant: 0 }, decay: true },
  { name: "gain", shape: [11], init: { constant: 0 }, decay: false },
];

function setUp(changes: object) {
  const settings = { ...tinyRecipe().optim, ...changes };
  const store = new ParameterStore(specs);
  store.values.data.set(randomFloats(store.values.data.length, 1));
  return { settings, store, optimizer: new AdamW(store, settings) };
}

/** AdamW from its definition, in doubles, for one tensor. */
function reference(
  param: Float32Array,
  grads: Float32Array[],
  lr: number,
  decay: number,
  s: { beta1: number; beta2: number; eps: number },
) {
  const [p, m, v] = [Float64Array.from(param), new Float64Array(param.length), new Float64Array(param.length)];
  grads.forEach((grad, i) => {
    grad.forEach((g, j) => {
      m[j] = s.beta1 * (m[j] as number) + (1 - s.beta1) * g;
      v[j] = s.beta2 * (v[j] as number) + (1 - s.beta2) * g * g;
      const mHat = (m[j] as number) / (1 - s.beta1 ** (i + 1));
      const vHat = (v[j] as number) / (1 - s.beta2 ** (i + 1));
      p[j] = (p[j] as number) * (1 - lr * decay) - (lr * mHat) / (Math.sqrt(vHat) + s.eps);
    });
  });
  return p;
}

describe("AdamW", () => {
  it("follows the definition over several steps, decaying matrices only", () => {
    const { settings, store, optimizer } = setUp({ gradClip: 0, weightDecay: 0.5 });
    const starts = new Map([...store.views(store.values)].map(([name, { data }]) => [name, data.slice()]));
    const history = new Map(specs.map(({ name }) => [name, [] as Float32Array[]]));
    for (let step = 0; step < 4; step++) {
      let seed = 10 * step;
      for (const [name, { data }] of store.views(store.grads)) {
        data.set(randomFloats(data.length, ++seed));
        history.get(name)?.push(data.slice());
      }
      optimizer.step(0.01);
    }
    for (const { name, decay } of specs) {
      const start = starts.get(name) as Float32Array;
      const expected = reference(start, history.get(name) ?? [], 0.01, decay ? 0.5 : 0, settings);
      expectAllClose(store.get(name).value.data, expected, { rtol: 1e-5, atol: 1e-6 });
    }
  });

  it("clips to the global norm and reports the norm from before", () => {
    const grad = randomFloats(35, 3, 10);
    const norm = Math.sqrt(grad.reduce((sum, g) => sum + g * g, 0));
    const [clipped, scaled] = [setUp({ gradClip: 2 }), setUp({ gradClip: 0 })];
    clipped.store.get("matrix").grad.data.set(grad);
    scaled.store.get("matrix").grad.data.set(grad.map((g) => (g * 2) / norm));
    const outcome = clipped.optimizer.step(0.01);
    scaled.optimizer.step(0.01);
    expectAllClose([outcome.gradNorm], [norm], { rtol: 1e-6 });
    expectAllClose(clipped.store.values.data, scaled.store.values.data, { rtol: 1e-6 });
  });

  it("leaves a gradient below the limit alone", () => {
    const [clipped, free] = [setUp({ gradClip: 1e6 }), setUp({ gradClip: 0 })];
    for (const { store, optimizer } of [clipped, free]) {
      store.get("matrix").grad.data.set(randomFloats(35, 3));
      optimizer.step(0.01);
    }
    expect(clipped.store.values.data).toEqual(free.store.values.data);
  });

  it("skips a gradient that is not finite", () => {
    for (const bad of [Number.NaN, Infinity]) {
      const { store, optimizer } = setUp({});
      const before = store.values.data.slice();
      store.get("gain").grad.data[3] = bad;
      expect(optimizer.step(0.01).skipped).toBe(true);
      expect(store.values.data).toEqual(before);
      expect(optimizer.updates).toBe(0);
    }
  });
});
