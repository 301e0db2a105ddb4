import { type FloatTensor, floatTensor } from "@cai/native";
import { expectAllClose, finiteDifference, randomFloats, randomInts } from "@cai/test-utils";
import { causalBatch } from "@cai/trainer";
import { Arena, type Parameter, Tape, type Variable } from "@cai/trainer/parts";
import { describe, expect, it } from "vitest";
import { expertLayer } from "../src/lib/mixture/expert-layer.js";
import { MixtureModel } from "../src/lib/mixture/mixture-model.js";
import { type Routing, routeTopOne } from "../src/lib/mixture/routing.js";

const [rows, width, hidden, experts] = [9, 5, 6, 4];
const balance = 0.3;

function parameter(name: string, data: Float32Array, shape: readonly number[]): Parameter {
  return { name, value: floatTensor(data, shape), grad: floatTensor(new Float32Array(data.length), shape) };
}

/** The layer's parts in one flat vector, for differences: x, router, up, down. */
const sizes = [rows * width, experts * width, experts * hidden * width, experts * width * hidden];
const names = ["x", "router", "up", "down"] as const;

function split<T extends { subarray(begin: number, end: number): T }>(flat: T) {
  const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((sum, size) => sum + size, 0));
  const parts = sizes.map((size, i) => flat.subarray((ends[i] as number) - size, ends[i] as number));
  return Object.fromEntries(names.map((name, i) => [name, parts[i]])) as Record<(typeof names)[number], T>;
}

/** Σ weights · (layer − addend) + balance loss in doubles, straight from the definition, the routes held as they are. */
function reference(point: Float64Array, weights: Float32Array, chosen: readonly number[]): number {
  const { x, router, up, down } = split(point);
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
  const shares = Array.from({ length: experts }, (_, e) => chosen.filter((one) => one === e).length / rows);
  let loss = 0;
  for (let n = 0; n < rows; n++) {
    const row = x.subarray(n * width, (n + 1) * width);
    const scores = Array.from({ length: experts }, (_, e) =>
      Math.exp(dot(router.subarray(e * width, (e + 1) * width), row)),
    );
    const total = scores.reduce((sum, score) => sum + score, 0);
    const e = chosen[n] as number;
    const active = Float64Array.from({ length: hidden }, (_, h) => {
      const at = (e * hidden + h) * width;
      return Math.max(0, dot(up.subarray(at, at + width), row)) ** 2;
    });
    for (let c = 0; c < width; c++) {
      const at = (e * width + c) * hidden;
      const y = dot(down.subarray(at, at + hidden), active);
      loss += ((weights[n * width + c] as number) * y * (scores[e] as number)) / total;
    }
    scores.forEach((score, i) => {
      loss += (balance * experts * (shares[i] as number) * score) / total;
    });
  }
  return loss;
}

describe("mixture of experts, top 1", () => {
  const point = Float32Array.from(
    randomFloats(
      sizes.reduce((sum, size) => sum + size, 0),
      5,
    ),
  );
  const weights = randomFloats(rows * width, 6);

  function run(recording: boolean, values = point) {
    const { x, router, up, down } = split(values);
    const tape = new Tape(new Arena(), { recording });
    const input: Variable = { value: floatTensor(x, [rows, width]) };
    const addend: Variable = { value: floatTensor(randomFloats(rows * width, 7), [rows, width]) };
    const layer = {
      router: parameter("router", router, [experts, width]),
      up: parameter("up", up, [experts, hidden, width]),
      down: parameter("down", down, [experts, width, hidden]),
    };
    let routing: Routing | undefined;
    const { out, balanceLoss } = expertLayer(tape, input, layer, {
      balance,
      gradScale: 1,
      addend,
      onRouting: (found) => {
        routing = found;
      },
    });
    const loss = out.value.data.reduce((sum, value, i) => {
      return sum + (weights[i] as number) * (value - (addend.value.data[i] as number));
    }, balanceLoss);
    const { order, first } = routing as Routing;
    const chosen = new Array<number>(rows);
    order.data.forEach((row, place) => {
      chosen[row] = first.findIndex((_, e) => place < (first[e + 1] as number));
    });
    return { tape, input, addend, layer, out, loss, chosen };
  }

  it("computes what the definition says, and uses several experts", () => {
    const { loss, chosen } = run(false);
    expect(new Set(chosen).size).toBeGreaterThan(1);
    // Products of a few float32 values near one: rounding of 6e-8 each, summed 45 times.
    expectAllClose([loss], [reference(Float64Array.from(point), weights, chosen)], { rtol: 1e-5 });
  });

  it("has the gradients that differences in double precision give: rows, router (gate and balance), experts", () => {
    const { tape, input, addend, layer, out, chosen } = run(true);
    const xGrad = floatTensor(new Float32Array(rows * width), [rows, width]);
    input.grad = xGrad;
    tape.gradientOf(out).tensor.data.set(weights);
    const addendGrad = out.grad as FloatTensor;
    tape.backward();
    const expected = split(finiteDifference((at) => reference(at, weights, chosen), point));
    // Differences of a loss near 10 err by about 1e-9 / 1e-5 relative to it; float32 sums by 1e-6 of the largest term.
    const close = { rtol: 1e-4, atol: 1e-3 };
    expectAllClose(xGrad.data, expected.x, close);
    expectAllClose(layer.router.grad.data, expected.router, close);
    expectAllClose(layer.up.grad.data, expected.up, close);
    expectAllClose(layer.down.grad.data, expected.down, close);
    expect(addend.grad).toBe(addendGrad);
  });

  it("leaves the gradients of an expert that nobody chose exactly zero", () => {
    const opposite = point.slice();
    // Of a direction and its opposite one is always ahead of the two experts without a say.
    split(opposite).router.forEach((value, i, router) => {
      router[i] = i < width ? value : i < 2 * width ? -(router[i - width] as number) : 0;
    });
    const { tape, layer, out, chosen } = run(true, opposite);
    expect(new Set(chosen)).toEqual(new Set([0, 1]));
    tape.gradientOf(out).tensor.data.set(weights);
    tape.backward();
    for (const { grad } of [layer.up, layer.down]) {
      const used = grad.data.length / 2;
      expect(grad.data.subarray(used).every((value) => Object.is(value, 0))).toBe(true);
      expect(grad.data.subarray(0, used).some((value) => value !== 0)).toBe(true);
    }
  });

  it("sends equals to the first expert", () => {
    const logits: Variable = { value: floatTensor(new Float32Array(6), [2, 3]) };
    const options = { balance: 1, gradScale: 1 };
    const { first, gate, balanceLoss } = routeTopOne(new Tape(new Arena(), { recording: false }), logits, options);
    expect(first).toEqual([0, 2, 2, 2]);
    expectAllClose(gate.value.data, [1 / 3, 1 / 3], { rtol: 1e-6 });
    // Rows · E · Σ f P with all rows in one expert and even probabilities is the number of rows.
    expect(balanceLoss).toBeCloseTo(2, 5);
  });
});

describe("mixture model", () => {
  const config = {
    vocabSize: 19,
    hiddenSize: 8,
    numLayers: 2,
    numHeads: 2,
    numExperts: 3,
    expertSize: 6,
    seqLen: 7,
    balance: 0,
  };
  const batch = causalBatch(randomInts(21, 19, 1), randomInts(21, 19, 2), config.seqLen);

  it("has gradients that predict how its loss moves, tensor by tensor, and gives all memory back", () => {
    const model = new MixtureModel(config);
    model.parameters.initialise(3);
    const { parameters } = model;
    // Weights of about one, so that every part matters; at 0.02 most gradients drown in the loss's rounding.
    for (const { shape, data } of parameters.views(parameters.values).values()) {
      if (shape.length > 1) data.set(data.map((value) => 15 * value));
    }
    const arena = new Arena();
    const lossOf = (recording: boolean) => {
      const tape = new Tape(arena, { recording });
      const loss = model.loss(tape, batch, recording ? 1 : 0);
      if (recording) tape.backward();
      else arena.reset();
      return loss;
    };
    lossOf(true);
    expect(arena.liveTensors).toBe(0);
    const values = parameters.views(parameters.values);
    for (const [name, { data: grad }] of parameters.views(parameters.grads)) {
      const { data } = values.get(name) as FloatTensor;
      const origin = data.slice();
      const norm = Math.sqrt(grad.reduce((sum, value) => sum + value * value, 0));
      expect(norm, name).toBeGreaterThan(0);
      const h = 1e-3;
      const lossAt = (step: number) => {
        data.set(origin.map((value, i) => value + (step * (grad[i] as number)) / norm));
        return lossOf(false);
      };
      const slope = (lossAt(h) - lossAt(-h)) / (2 * h);
      data.set(origin);
      // A float32 loss of about 100 has steps of 8e-6, divided by 2h.
      expect(Math.abs(slope - norm), name).toBeLessThan(0.02 + 0.01 * norm);
    }
  });
});
