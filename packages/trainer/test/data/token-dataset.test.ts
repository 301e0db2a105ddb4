import { appendFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readManifest, TokenDataset } from "../../src/data/index.js";
import { corpusOf } from "../../src/data/manifest.js";
import { expectCaiError, makeDocuments, prepareSmall, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();
const dir = join(folder, "prepared");
let tokens: Int32Array;
let starts: number[];

beforeAll(async () => {
  await prepareSmall(dir, { corpora: [{ name: "one", documents: () => makeDocuments(90, 1) }] });
  const dataset = TokenDataset.open(dir, "one", "train");
  tokens = new Int32Array(dataset.tokens);
  dataset.read(0, dataset.tokens, tokens);
  starts = Array.from({ length: dataset.documents }, (_, number) => dataset.document(number).start);
  dataset.close();
});

describe("TokenDataset", () => {
  it("reads any range into any place", () => {
    const dataset = TokenDataset.open(dir, "one", "train");
    for (const [position, length] of [
      [0, 1],
      [5, 100],
      [tokens.length - 3, 3],
      [7, 0],
      [tokens.length, 0],
    ] as const) {
      const out = new Int32Array(length + 4).fill(-7);
      dataset.read(position, length, out, 2);
      expect(out.subarray(2, 2 + length)).toEqual(tokens.subarray(position, position + length));
      expect([out[0], out[1], out[length + 2]]).toEqual([-7, -7, -7]);
    }
    dataset.close();
  });

  it("knows where documents begin: after every end of text", () => {
    const dataset = TokenDataset.open(dir, "one", "train");
    const after = Array.from(tokens.keys()).filter((i) => i === 0 || tokens[i - 1] === dataset.endOfText);
    expect(starts).toEqual(after);
    dataset.close();
  });

  it("refuses ranges and documents that are not there", async () => {
    const dataset = TokenDataset.open(dir, "one", "val");
    const out = new Int32Array(10);
    await expectCaiError(() => dataset.read(dataset.tokens, 1, out), "E_ARGUMENT", String(dataset.tokens));
    await expectCaiError(() => dataset.read(-1, 1, out), "E_ARGUMENT", "-1");
    await expectCaiError(() => dataset.read(0.5, 1, out), "E_ARGUMENT", "0.5");
    await expectCaiError(() => dataset.read(0, 8, out, 3), "E_ARGUMENT", "11");
    await expectCaiError(() => dataset.document(dataset.documents), "E_ARGUMENT", String(dataset.documents));
    await expectCaiError(() => TokenDataset.open(dir, "three", "val"), "E_ARGUMENT", "one", "three");
    dataset.close();
  });
});

describe("a prepared directory that is not whole", () => {
  let copies = 0;

  /** A copy of the prepared directory in which `change` has been done to the training shard, or another file. */
  function damaged(change: (path: string) => void, which: "shard" | "index" | "manifest" = "shard"): [string, string] {
    const copy = join(folder, `copy-${++copies}`);
    const manifest = readManifest(dir);
    const entry = corpusOf(manifest, "one", "text").splits.train;
    const name = which === "manifest" ? "manifest.json" : entry[which].file;
    cpSync(dir, copy, { recursive: true });
    change(join(copy, name));
    return [copy, join(copy, name)];
  }

  const patch = (at: number, bytes: number[]) => (path: string) => {
    const content = readFileSync(path);
    content.set(bytes, at);
    writeFileSync(path, content);
  };

  it.each([
    ["cut off", (path: string) => truncateSync(path, 5000), "cut off"],
    ["shorter than a header", (path: string) => truncateSync(path, 100), "header of 128"],
    ["empty", (path: string) => truncateSync(path, 0), "header of 128"],
    ["longer than it says", (path: string) => appendFileSync(path, "x"), "foreign"],
    ["another kind of file", patch(0, [0x50, 0x4b, 3, 4]), "CAITOKEN"],
    ["an index", patch(0, [...Buffer.from("CAIINDEX")]), "CAITOKEN"],
    ["of another version", patch(8, [2]), "version 1, got 2"],
    ["of another width", patch(12, [3]), "2 or 4"],
    ["of absurd length", patch(16, [255, 255, 255, 255, 255, 255, 255, 255]), "expected"],
    ["of another preparation", patch(48, [0, 1, 2, 3]), "checksum"],
    ["of another tokenizer", patch(80, [0, 1, 2, 3]), "tokenizer"],
  ])("names a shard that is %s", async (_, change, ...parts) => {
    const [copy, path] = damaged(change);
    await expectCaiError(() => TokenDataset.open(copy, "one", "train"), "E_FORMAT", path, ...parts);
  });

  it("names an index that is cut off, and a file that is missing", async () => {
    const [copy, path] = damaged((file) => truncateSync(file, 500), "index");
    await expectCaiError(() => TokenDataset.open(copy, "one", "train"), "E_FORMAT", path);
    const [without, missing] = damaged((file) => rmSync(file));
    await expectCaiError(() => TokenDataset.open(without, "one", "train"), "E_IO", missing);
  });

  it("finds changed contents when asked to verify, and ids outside the vocabulary at once", async () => {
    const [copy, path] = damaged(patch(1000, [1, 0, 1, 0]));
    const dataset = TokenDataset.open(copy, "one", "train");
    await expectCaiError(() => dataset.verify(), "E_FORMAT", path, "checksum");
    dataset.close();
    const [wild, where] = damaged(patch(128 + 20, [0xff, 0xff]));
    const other = TokenDataset.open(wild, "one", "train");
    await expectCaiError(() => other.read(0, 20, new Int32Array(20)), "E_FORMAT", where, "token 10", "65535");
    other.close();
  });

  it("names the document of which an index says what cannot be", async () => {
    for (const start of [0, 0xff]) {
      // Behind the header and the record of the first document.
      const [copy, path] = damaged(patch(128 + 16, [0, 0, 0, 0, 0, start]), "index");
      const dataset = TokenDataset.open(copy, "one", "train");
      await expectCaiError(() => dataset.document(0), "E_FORMAT", path, "document 0", String(dataset.tokens));
      dataset.close();
    }
  });

  it("names a manifest that is missing, broken, or leads elsewhere", async () => {
    const open = (copy: string) => () => TokenDataset.open(copy, "one", "train");
    const [without, missing] = damaged((file) => rmSync(file), "manifest");
    await expectCaiError(open(without), "E_IO", missing, "cai prepare");
    const [broken, path] = damaged((file) => writeFileSync(file, "{"), "manifest");
    await expectCaiError(open(broken), "E_FORMAT", path, "JSON");
    const [foreign] = damaged((file) => writeFileSync(file, '{"version":1}'), "manifest");
    await expectCaiError(open(foreign), "E_FORMAT", "format", "corpora");
    const leadOut = (file: string) => {
      const text = readFileSync(file, "utf8");
      writeFileSync(file, text.replace(/"one-train-\w+\.tokens"/, '"../elsewhere"'));
    };
    await expectCaiError(open(damaged(leadOut, "manifest")[0]), "E_FORMAT", "file");
  });
});
