import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Batch,
  BatchLoader,
  type BatchLoaderOptions,
  type LoaderState,
  TokenDataset,
} from "../../src/data/index.js";
import { expectCaiError, makeDocuments, prepareSmall, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();
const dir = join(folder, "prepared");
const streams = new Map<string, Int32Array>();

beforeAll(async () => {
  await prepareSmall(dir);
  for (const corpus of ["one", "two"]) {
    const dataset = TokenDataset.open(dir, corpus, "train");
    const tokens = new Int32Array(dataset.tokens);
    dataset.read(0, dataset.tokens, tokens);
    streams.set(corpus, tokens);
    dataset.close();
  }
});

const streamOf = (corpus: string) => streams.get(corpus) ?? new Int32Array(0);

function batches(count: number, options: Partial<BatchLoaderOptions> = {}): { batches: Batch[]; state: LoaderState } {
  const loader = new BatchLoader({ dir, batchSize: 3, seqLen: 16, seed: 5, ...options });
  const list = Array.from({ length: count }, () => loader.next());
  const { state } = loader;
  loader.close();
  return { batches: list, state };
}

/** Where `window` stands in `stream`; windows of 17 tokens are almost surely unique. */
function find(stream: Int32Array, window: Int32Array): number[] {
  const at: number[] = [];
  for (let i = 0; i + window.length <= stream.length; i++) {
    if (stream[i] === window[0] && window.every((token, k) => stream[i + k] === token)) at.push(i);
  }
  return at;
}

describe("BatchLoader", () => {
  it("gives rows that stand in the corpus, targets one further, and where documents begin in them", () => {
    for (const batch of batches(10).batches) {
      expect(batch.lossTokens).toBe(48);
      for (let row = 0; row < 3; row++) {
        const stream = streamOf(batch.corpora[row] ?? "");
        const tokens = batch.tokens.subarray(row * 16, row * 16 + 16);
        const targets = batch.targets.subarray(row * 16, row * 16 + 16);
        const window = Int32Array.from([...tokens, targets[15] as number]);
        expect(targets.subarray(0, 15)).toEqual(tokens.subarray(1));
        const places = find(stream, window);
        expect(places.length).toBeGreaterThan(0);
        const beginsAt = (place: number) => place === 0 || stream[place - 1] === 0;
        const found = places.map((at) => Array.from(tokens.keys()).filter((i) => beginsAt(at + i)));
        expect(found).toContainEqual(batch.documentStarts[row]);
      }
    }
  });

  it("takes every window of an epoch once, at multiples of seqLen after the epoch's phase", () => {
    const tokens = streamOf("two").length;
    const positions: number[] = [];
    const phases = new Set<number>();
    const loader = new BatchLoader({ dir, batchSize: 1, seqLen: 16, seed: 3, weights: { two: 1 } });
    for (let epoch = 0; epoch < 6; epoch++) {
      positions.length = 0;
      while (loader.state.corpora[0]?.epoch === epoch) {
        const { tokens: row, targets } = loader.next();
        const [at = -1] = find(streamOf("two"), Int32Array.from([...row, targets[15] as number]));
        positions.push(at);
      }
      const phase = Math.min(...positions);
      phases.add(phase);
      expect(phase).toBeLessThan(16);
      const all = Array.from({ length: Math.floor((tokens - 1 - phase) / 16) }, (_, i) => phase + 16 * i);
      expect([...positions].sort((a, b) => a - b)).toEqual(all);
      expect(positions).not.toEqual(all);
    }
    loader.close();
    expect(phases.size).toBeGreaterThan(3);
  });

  it("gives the same batches for the same seed and others for another", () => {
    expect(batches(5)).toEqual(batches(5));
    expect(batches(5).batches).not.toEqual(batches(5, { seed: 6 }).batches);
    expect(batches(5).batches).not.toEqual(batches(5, { seed: 5 + 2 ** 40 }).batches);
  });

  it("goes on after any number of batches as if it had never stopped", () => {
    const options = fc.record({
      seed: fc.nat(),
      seqLen: fc.integer({ min: 1, max: 40 }),
      batchSize: fc.integer({ min: 1, max: 6 }),
      weights: fc.constantFrom({ one: 1, two: 1 }, { one: 5, two: 2 }, { two: 1 }),
    });
    fc.assert(
      fc.property(options, fc.nat(60), (chosen, stop) => {
        const whole = batches(stop + 8, chosen);
        const first = batches(stop, chosen);
        const state = JSON.parse(JSON.stringify(first.state)) as LoaderState;
        const rest = batches(8, { ...chosen, state });
        expect([...first.batches, ...rest.batches]).toEqual(whole.batches);
        expect(rest.state).toEqual(whole.state);
      }),
      { numRuns: 30 },
    );
  });

  it("goes on with the same sequences under another batch size", () => {
    const flat = (list: Batch[]) => list.flatMap(({ tokens }) => Array.from(tokens));
    const { state } = batches(2);
    expect(flat(batches(6, { state, batchSize: 1 }).batches)).toEqual(flat(batches(2, { state }).batches));
  });

  it("mixes corpora by weight, by size when no weights are given, within one sequence at every point", () => {
    for (const [weights, share] of [
      [{ one: 3, two: 1 }, 0.75],
      [undefined, streamOf("one").length / (streamOf("one").length + streamOf("two").length)],
    ] as const) {
      const drawn = batches(100, weights ? { weights } : {}).batches.flatMap(({ corpora }) => corpora);
      let ones = 0;
      drawn.forEach((corpus, i) => {
        if (corpus === "one") ones++;
        expect(Math.abs(ones - share * (i + 1))).toBeLessThan(1);
      });
    }
  });

  it("leaves out a corpus without a weight", () => {
    const drawn = batches(20, { weights: { two: 0.1 } }).batches.flatMap(({ corpora }) => corpora);
    expect(new Set(drawn)).toEqual(new Set(["two"]));
  });

  it("keeps its state small whatever it has read", () => {
    expect(JSON.stringify(batches(300).state).length).toBeLessThan(500);
  });

  it("takes a corpus that is one token longer than a sequence", () => {
    const seqLen = streamOf("two").length - 1;
    const { batches: list } = batches(3, { weights: { two: 1 }, seqLen, batchSize: 1 });
    for (const { tokens } of list) expect(tokens).toEqual(streamOf("two").subarray(0, seqLen));
  });

  it("refuses what cannot be, by name", async () => {
    const refuse = (options: Partial<BatchLoaderOptions>, code: string, ...parts: string[]) =>
      expectCaiError(() => batches(1, options), code, ...parts);
    await refuse({ batchSize: 0 }, "E_ARGUMENT", "batchSize", "0");
    await refuse({ seqLen: 1.5 }, "E_ARGUMENT", "seqLen", "1.5");
    await refuse({ seed: -1 }, "E_ARGUMENT", "seed");
    await refuse({ weights: { three: 1 } }, "E_CONFIG", "one, two", "three");
    await refuse({ weights: { one: -1 } }, "E_CONFIG", "weights.one", "-1");
    await refuse({ weights: { one: 0 } }, "E_CONFIG", "weights");
    await refuse({ seqLen: 10 ** 6 }, "E_CONFIG", "seqLen", "corpus one");
    await refuse({ dir: join(folder, "none") }, "E_IO", "cai prepare");
  });

  it("refuses a state that was saved under other conditions", async () => {
    const { state } = batches(4);
    const refuse = (options: Partial<BatchLoaderOptions>, ...parts: string[]) =>
      expectCaiError(() => batches(1, options), "E_CONFIG", ...parts);
    await refuse({ state, seqLen: 8 }, "seqLen", "16", "8");
    await refuse({ state, seed: 9 }, "seed");
    await refuse({ state, weights: { one: 1, two: 1 } }, "shares");
    const other = join(folder, "other");
    await prepareSmall(other, { corpora: [{ name: "one", documents: () => makeDocuments(60, 4) }] });
    await refuse({ state, dir: other }, "fingerprint");
    const far = { ...state, corpora: state.corpora.map((corpus) => ({ ...corpus, index: 10 ** 6 })) };
    await refuse({ state: far }, "index 1000000");
    await refuse({ state: JSON.parse('{"version":2}') as LoaderState }, "state");
  });
});
