import { float32Codec, Gather, Reduction, Scatter } from "@cai/squinch";
import { memoryRanks, randomInts } from "@cai/test-utils";
import { describe, expect, it } from "vitest";
import { Arena } from "../../src/autograd/arena.js";
import { type Parameter, Tape } from "../../src/autograd/tape.js";
import { causalBatch } from "../../src/data/index.js";
import { planBuckets } from "../../src/distributed/buckets.js";
import { OverlappedExchange } from "../../src/distributed/exchange.js";
import type { FlatRange } from "../../src/distributed/held-values.js";
import { Transformer } from "../../src/model/transformer.js";
import { architectures, tinyRecipe } from "../support/tiny-recipe.js";

const seqLen = 8;

/** A recorded forward pass of a model on one sequence. */
function recorded(model: Transformer) {
  const tape = new Tape(new Arena(), { recording: true });
  const batch = causalBatch(randomInts(seqLen, 37, 1), randomInts(seqLen, 37, 2), seqLen);
  const options = { chunkRows: 256, chunkVocab: 0, softcap: model.config.logitSoftcap, gradScale: 1 };
  model.loss(tape, batch, options);
  return tape;
}

describe.each(Object.entries(architectures))("the gradients of %s", (_, architecture) => {
  it("do not change any more once they are final, and all of them become final", () => {
    const model = new Transformer(tinyRecipe(architecture).model);
    model.parameters.initialise(3);
    const tape = recorded(model);
    const order = tape.finalOrder();
    const said: { parameter: Parameter; value: Float32Array }[] = [];
    tape.backward({
      onFinal: (parameter) => said.push({ parameter, value: parameter.grad.data.slice() }),
      onProgress: () => {},
    });
    for (const { parameter, value } of said) expect(parameter.grad.data, parameter.name).toEqual(value);
    expect(new Set(said.map(({ parameter }) => parameter))).toEqual(new Set(order));
    // What no op on the tape has used belongs to the loss: the head, unless it is the embedding.
    const named = new Set(order.map(({ name }) => name));
    const others = model.parameters.groups().filter(({ names }) => !named.has(names[0] as string));
    expect(others.map(({ names }) => names)).toEqual(model.config.tieEmbeddings ? [] : [["lm_head.weight"]]);
  });
});

describe("OverlappedExchange", () => {
  /** The exchange of the first of two ranks; the other lags behind, so that nothing that the first begins is ever done. */
  function exchangeOf(model: Transformer, bucketLength: number) {
    const [comm] = memoryRanks(2) as [ReturnType<typeof memoryRanks>[0]];
    const [scatter, gather] = [comm.duplicate(), comm.duplicate()];
    const gradient = model.parameters.grads.data;
    const buckets = planBuckets(model.parameters.groups(), bucketLength);
    const reductions = buckets.map((bucket) => {
      const values = gradient.subarray(bucket.begin, bucket.end);
      const stages = [new Scatter(values, scatter, float32Codec), new Gather(values, gather, float32Codec)];
      return { bucket, reduction: new Reduction(stages) };
    });
    return { buckets, scatter, exchange: new OverlappedExchange(gradient, reductions) };
  }

  it("begins with buckets long before the backward pass ends, the embedding that is the head too last", () => {
    const model = new Transformer(tinyRecipe({ numLayers: 3 }).model);
    model.parameters.initialise(3);
    const { buckets, exchange } = exchangeOf(model, 512);
    const tape = recorded(model);
    exchange.begin({ step: 0, finalOrder: tape.finalOrder() });
    expect(exchange.begun).toBe(0);
    const begun: number[] = [];
    tape.backward({
      onFinal: (parameter) => exchange.onFinal(parameter),
      onProgress: () => {
        exchange.onProgress();
        begun.push(exchange.begun);
      },
    });
    expect(exchange.begun).toBe(buckets.length);
    const embedding = buckets.filter(({ begin }) => begin < 37 * 16).length;
    const middle = begun[begun.length >> 1] as number;
    expect(middle).toBeGreaterThan(buckets.length / 3);
    expect(begun.at(-2)).toBeGreaterThanOrEqual(buckets.length - embedding - 1);
    expect(begun.at(-2)).toBeLessThanOrEqual(buckets.length - embedding);
  });

  it("sends the head first where it is a tensor of its own", () => {
    const model = new Transformer(tinyRecipe({ tieEmbeddings: false }).model);
    const { exchange } = exchangeOf(model, 512);
    exchange.begin({ step: 0, finalOrder: recorded(model).finalOrder() });
    expect(exchange.begun).toBe(2);
  });
});

describe("planBuckets", () => {
  const groups = [
    { begin: 0, end: 5008, decay: true, names: ["embedding"] },
    { begin: 5008, end: 5024, decay: true, names: ["q", "k"] },
    { begin: 5024, end: 5040, decay: true, names: ["up"] },
    { begin: 5040, end: 5056, decay: false, names: ["norm1"] },
    { begin: 5056, end: 5063, decay: false, names: ["norm2"] },
  ];
  const cut = (length: number) => planBuckets(groups, length);

  it("covers every element once, in buckets of whole blocks and about the length asked for", () => {
    for (const length of [1, 8, 100, 1000, 1e9]) {
      const buckets = [...cut(length)].sort((a, b) => a.begin - b.begin);
      expect(buckets[0]?.begin).toBe(0);
      expect(buckets.at(-1)?.end).toBe(5063);
      buckets.slice(1).forEach(({ begin }, i) => {
        expect(begin).toBe(buckets[i]?.end);
        expect(begin % 8).toBe(0);
      });
      for (const { begin, end } of buckets) {
        expect(end).toBeGreaterThan(begin);
        expect(end - begin).toBeLessThanOrEqual(Math.max(length, 8) + 7);
      }
    }
  });

  it("joins small neighbours, but not matrices with norms nor different kinds", () => {
    const ranges = (buckets: readonly FlatRange[]) => buckets.map(({ begin, end }) => [begin, end]);
    expect(ranges(cut(1e9))).toEqual([
      [5040, 5063],
      [0, 5040],
    ]);
    const mixed = planBuckets(groups, 1e9, ({ names }) => (names[0] === "q" ? "special" : "any"));
    expect(ranges(mixed)).toEqual([
      [5040, 5063],
      [5024, 5040],
      [5008, 5024],
      [0, 5008],
    ]);
  });

  it("cuts a large tensor into equal pieces, the last first", () => {
    expect(cut(2000).map(({ begin, end }) => [begin, end])).toEqual([
      [5040, 5063],
      [5008, 5040],
      [3344, 5008],
      [1672, 3344],
      [0, 1672],
    ]);
  });
});
