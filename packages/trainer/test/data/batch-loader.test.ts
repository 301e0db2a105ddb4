import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type Batch, BatchLoader, type BatchLoaderOptions, type LoaderState } from "../../src/data/index.js";
import { takeTurns } from "../../src/distributed/shares.js";
import { expectCaiError, makeDocuments, prepareSmall, temporaryFolder } from "./helpers.js";
import { streamOf } from "./packed-text.js";

const folder = temporaryFolder();
const dir = join(folder, "prepared");
beforeAll(() => prepareSmall(dir).then(() => undefined));

const options = { dir, batchSize: 3, seqLen: 16, seed: 5 };
const packings = ["packed", "padded", "stream"] as const;

function batches(count: number, changed: Partial<BatchLoaderOptions> = {}): { batches: Batch[]; state: LoaderState } {
  const loader = new BatchLoader({ ...options, ...changed });
  const list = Array.from({ length: count }, () => loader.next());
  const { state } = loader;
  loader.close();
  return { batches: list, state };
}

describe("BatchLoader", () => {
  it("gives the same batches for the same seed and others for another", () => {
    expect(batches(5)).toEqual(batches(5));
    expect(batches(5).batches).not.toEqual(batches(5, { seed: 6 }).batches);
    expect(batches(5).batches).not.toEqual(batches(5, { seed: 5 + 2 ** 40 }).batches);
  });

  it("goes on after any number of batches as if it had never stopped", () => {
    const choices = fc.record({
      seed: fc.nat(),
      seqLen: fc.integer({ min: 1, max: 40 }),
      batchSize: fc.integer({ min: 1, max: 6 }),
      weights: fc.constantFrom({ one: 1, two: 1 }, { one: 5, two: 2 }, { two: 1 }),
      packing: fc.constantFrom(...packings),
    });
    fc.assert(
      fc.property(choices, fc.nat(60), (chosen, stop) => {
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

  it.each(packings)("gives several ranks together the batches that one alone gets, %s", (packing) => {
    const { batches: alone } = batches(12, { packing });
    const together = [0, 1, 2].map((rank) => {
      const loader = new BatchLoader({ ...options, packing });
      const ours = [1, 2].flatMap(() => takeTurns(loader, { rank, size: 3 }, 2));
      const { state } = loader;
      loader.close();
      return { ours, state };
    });
    const dealt = [0, 1].flatMap((step) => [0, 1].flatMap((i) => together.map(({ ours }) => ours[2 * step + i])));
    expect(dealt).toEqual(alone);
    for (const { state } of together) expect(state).toEqual(batches(12, { packing }).state);
  });

  it("keeps documents apart, unless they stream", () => {
    const { batches: packed } = batches(20);
    for (const { mask } of packed) expect(mask.positions?.every((position, i) => position <= i % 16)).toBe(true);
    expect(packed.some(({ mask }) => mask.limit.some((limit) => limit < 16))).toBe(true);
    for (const { mask } of batches(20, { packing: "stream" }).batches) {
      expect(mask.positions).toBeUndefined();
      expect(mask.limit.every((limit) => limit === 16)).toBe(true);
    }
  });

  it("goes on with the same rows under another batch size", () => {
    const flat = (list: Batch[]) => list.flatMap(({ tokens }) => Array.from(tokens));
    const { state } = batches(2);
    expect(flat(batches(6, { state, batchSize: 1 }).batches)).toEqual(flat(batches(2, { state }).batches));
  });

  it("mixes corpora by weight, by size when no weights are given, within one row at every point", () => {
    const sizes = { one: streamOf(dir, "one").length, two: streamOf(dir, "two").length };
    for (const [weights, share] of [
      [{ one: 3, two: 1 }, 0.75],
      [undefined, sizes.one / (sizes.one + sizes.two)],
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

  it("refuses what cannot be, by name", async () => {
    const refuse = (options: Partial<BatchLoaderOptions>, code: string, ...parts: string[]) =>
      expectCaiError(() => batches(1, options), code, ...parts);
    await refuse({ batchSize: 0 }, "E_ARGUMENT", "batchSize", "0");
    await refuse({ seqLen: 1.5 }, "E_ARGUMENT", "seqLen", "1.5");
    await refuse({ seed: -1 }, "E_ARGUMENT", "seed");
    await refuse({ weights: { three: 1 } }, "E_CONFIG", "one, two", "three");
    await refuse({ weights: { one: -1 } }, "E_CONFIG", "weights.one", "-1");
    await refuse({ weights: { one: 0 } }, "E_CONFIG", "weights");
    await refuse({ seqLen: 10 ** 6, packing: "stream" }, "E_CONFIG", "seqLen", "corpus one");
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
    await refuse({ state, packing: "stream" }, "packing", "packed", "stream");
    const rows = { epoch: 0, items: 0, row: 10 ** 6 };
    await refuse({ state: { ...state, corpora: state.corpora.map((one) => ({ ...one, rows })) } }, "row 1000000");
    await refuse({ state: JSON.parse('{"version":1,"seed":5}') }, "expected version 2, got 1", "begin anew");
    await refuse({ state: JSON.parse('{"version":2}') }, "state");
  });
});
