import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { TokenDataset } from "../../src/data/index.js";
import { StreamRows } from "../../src/data/rows/stream-rows.js";
import { expectCaiError, prepareSmall, temporaryFolder } from "./helpers.js";
import { find, streamOf } from "./packed-text.js";

const dir = join(temporaryFolder(), "prepared");
beforeAll(() => prepareSmall(dir).then(() => undefined));

const open = (seqLen: number, state?: { epoch: number; index: number }) =>
  new StreamRows(TokenDataset.open(dir, "two", "train"), { seqLen, key: [3, 1], number: 0, state });

describe("stream rows", () => {
  it("take every window of an epoch once, at multiples of seqLen after the epoch's phase", () => {
    const stream = streamOf(dir, "two");
    const phases = new Set<number>();
    const rows = open(16);
    for (let epoch = 0; epoch < 6; epoch++) {
      const positions: number[] = [];
      while (rows.state.epoch === epoch) {
        const { tokens, targets, lossTokens } = rows.nextRow();
        expect(targets.subarray(0, 15)).toEqual(tokens.subarray(1));
        expect(lossTokens).toBe(16);
        positions.push(find(stream, [...tokens, targets[15] as number])[0] ?? -1);
      }
      const phase = Math.min(...positions);
      phases.add(phase);
      expect(phase).toBeLessThan(16);
      const all = Array.from({ length: Math.floor((stream.length - 1 - phase) / 16) }, (_, i) => phase + 16 * i);
      expect([...positions].sort((a, b) => a - b)).toEqual(all);
      expect(positions).not.toEqual(all);
    }
    rows.close();
    expect(phases.size).toBeGreaterThan(3);
  });

  it("take a corpus that is one token longer than a row, and none that is not", async () => {
    const stream = streamOf(dir, "two");
    const rows = open(stream.length - 1);
    for (let i = 0; i < 3; i++) expect(rows.nextRow().tokens).toEqual(stream.subarray(0, -1));
    rows.close();
    await expectCaiError(() => open(stream.length), "E_CONFIG", "corpus two", "more than seqLen");
  });

  it("refuse an index that is not there", async () => {
    await expectCaiError(() => open(16, { epoch: 1, index: 10 ** 6 }), "E_CONFIG", "index 1000000");
  });
});
