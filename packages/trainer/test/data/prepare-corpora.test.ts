import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type PrepareProgressEvent,
  prepareCorpora,
  readManifest,
  TokenDataset,
  Tokenizer,
} from "../../src/data/index.js";
import { splitOf } from "../../src/data/write-corpora.js";
import { expectCaiError, makeDocuments, prepareSmall, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();
let count = 0;
const newDir = () => join(folder, `prepared-${++count}`);

/** All documents of a shard as text, checked to end in an end of text and to be what the index says. */
function shardTexts(dir: string, corpus: string, split: "train" | "val"): string[] {
  const tokenizer = Tokenizer.load(join(dir, "tokenizer.json"));
  const dataset = TokenDataset.open(dir, corpus, split);
  const texts = Array.from({ length: dataset.documents }, (_, number) => {
    const { start, length, bytes } = dataset.document(number);
    const ids = new Int32Array(length);
    dataset.read(start, length, ids);
    expect(ids.indexOf(tokenizer.endOfText)).toBe(length - 1);
    const text = tokenizer.decode(ids.subarray(0, length - 1));
    expect(Buffer.byteLength(text)).toBe(bytes);
    return text;
  });
  dataset.close();
  return texts;
}

describe("prepareCorpora", () => {
  it("writes every document once, to the split that its text decides", async () => {
    const dir = newDir();
    const { manifest, reused } = await prepareSmall(dir);
    expect(reused).toBe(false);
    const all = makeDocuments(60, 1).map(({ text }) => text);
    expect(shardTexts(dir, "one", "train")).toEqual(all.filter((text) => splitOf(text, 0.2) === "train"));
    expect(shardTexts(dir, "one", "val")).toEqual(all.filter((text) => splitOf(text, 0.2) === "val"));
    const one = manifest.corpora[0]?.splits;
    expect((one?.train.documents ?? 0) + (one?.val.documents ?? 0)).toBe(60);
    const everything = [...all, ...makeDocuments(20, 2).map(({ text }) => text)];
    const bytes = everything.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    expect(manifest.totals.train.bytes + manifest.totals.val.bytes).toBe(bytes);
    expect(readManifest(dir)).toEqual(manifest);
  });

  it("gives the same files for the same inputs anywhere, and leaves no temporary file", async () => {
    const [a, b] = [newDir(), newDir()];
    await prepareSmall(a);
    await prepareSmall(b);
    expect(readdirSync(a).sort()).toEqual(readdirSync(b).sort());
    expect(readdirSync(a)).toHaveLength(10);
    for (const name of readdirSync(a)) expect(readFileSync(join(a, name))).toEqual(readFileSync(join(b, name)));
  });

  it("splits by content: order does not matter, and about the share asked for goes to validation", async () => {
    const texts = makeDocuments(1500, 7).map(({ text }) => text);
    const share = texts.filter((text) => splitOf(text, 0.05) === "val").length / texts.length;
    // Four standard deviations of a binomial share: sqrt(0.05 * 0.95 / 1500) = 0.0056.
    expect(Math.abs(share - 0.05)).toBeLessThan(0.023);
    const dir = newDir();
    const reversed = [{ name: "one", documents: () => makeDocuments(60, 1).reverse() }];
    await prepareSmall(dir, { corpora: reversed });
    expect(shardTexts(dir, "one", "val").sort()).toEqual(
      makeDocuments(60, 1)
        .map(({ text }) => text)
        .filter((text) => splitOf(text, 0.2) === "val")
        .sort(),
    );
  });

  it("trains the tokenizer on the training split alone", async () => {
    const [a, b] = [newDir(), newDir()];
    const train = makeDocuments(60, 1).filter(({ text }) => splitOf(text, 0.2) === "train");
    const val = makeDocuments(400, 3).filter(({ text }) => splitOf(text, 0.2) === "val");
    await prepareSmall(a, { corpora: [{ name: "one", documents: () => [...train, ...val.slice(0, 1)] }] });
    await prepareSmall(b, { corpora: [{ name: "one", documents: () => [...val, ...train] }] });
    expect(readFileSync(join(a, "tokenizer.json"))).toEqual(readFileSync(join(b, "tokenizer.json")));
  });

  it("recognises the same inputs and writes nothing", async () => {
    const dir = newDir();
    const first = await prepareSmall(dir);
    const before = readdirSync(dir).map((name) => statSync(join(dir, name)).mtimeMs);
    const second = await prepareSmall(dir);
    expect(second).toEqual({ manifest: first.manifest, reused: true });
    expect(readdirSync(dir).map((name) => statSync(join(dir, name)).mtimeMs)).toEqual(before);
  });

  it("recognises files by content, wherever they lie", async () => {
    const dir = newDir();
    const inputs = ["here", "there"].map((place) => {
      const path = join(folder, place);
      mkdirSync(path);
      for (const { id, text } of makeDocuments(30, 5)) writeFileSync(join(path, `${id}.txt`), text);
      return path;
    });
    const [here = "", there = ""] = inputs;
    const options = { outDir: dir, vocabSize: 300, valFraction: 0.5 };
    expect((await prepareCorpora({ ...options, corpora: [{ name: "a", path: here }] })).reused).toBe(false);
    expect((await prepareCorpora({ ...options, corpora: [{ name: "a", path: there }] })).reused).toBe(true);
    writeFileSync(join(there, "3.txt"), "changed");
    expect((await prepareCorpora({ ...options, corpora: [{ name: "a", path: there }] })).reused).toBe(false);
    const narrow = [{ name: "a", path: there, include: "?.txt" }];
    const { manifest, reused } = await prepareCorpora({ ...options, corpora: narrow });
    expect(reused).toBe(false);
    expect(manifest.totals.train.documents + manifest.totals.val.documents).toBe(10);
  });

  it("rebuilds for other options, and removes what it replaced", async () => {
    const dir = newDir();
    const first = await prepareSmall(dir);
    const second = await prepareSmall(dir, { valFraction: 0.3 });
    expect(second.reused).toBe(false);
    expect(second.manifest.fingerprint).not.toBe(first.manifest.fingerprint);
    expect(readdirSync(dir)).toHaveLength(10);
    expect((await prepareSmall(dir, { vocabSize: 330 })).manifest.tokenizer.vocabSize).toBe(330);
  });

  it("rebuilds what is damaged, and clears what a killed process left", async () => {
    const dir = newDir();
    const { manifest } = await prepareSmall(dir);
    const shard = join(dir, manifest.corpora[0]?.splits.train.shard.file ?? "");
    writeFileSync(shard, readFileSync(shard).subarray(0, 1000));
    // No process has this number: Linux allows 2^22 at most.
    writeFileSync(join(dir, "one-train-0123456789ab.tokens.99999999-01234567.tmp"), "left");
    writeFileSync(join(dir, "one-train-0123456789ab.tokens"), "left");
    writeFileSync(join(dir, "notes.txt"), "mine");
    const again = await prepareSmall(dir);
    expect(again).toEqual({ manifest, reused: false });
    expect(readdirSync(dir)).toHaveLength(11);
    expect(existsSync(join(dir, "notes.txt"))).toBe(true);
    expect(() => TokenDataset.open(dir, "one", "train").verify()).not.toThrow();
  });

  it("keeps the old preparation when it is stopped or an input is bad", async () => {
    const dir = newDir();
    const { manifest } = await prepareSmall(dir);
    const files = readdirSync(dir).sort();
    const bad = [{ name: "one", path: join(folder, "bad.jsonl") }];
    writeFileSync(join(folder, "bad.jsonl"), `${'{"text":"a long line of text"}\n'.repeat(50)}{"no":1}\n`);
    await expectCaiError(() => prepareSmall(dir, { corpora: bad }), "E_FORMAT", "bad.jsonl:51");
    const stop = new AbortController();
    const onProgress = ({ phase }: PrepareProgressEvent) => phase === "tokenizer" && stop.abort(new Error("stopped"));
    await expect(prepareSmall(dir, { valFraction: 0.4, onProgress, signal: stop.signal })).rejects.toThrow("stopped");
    expect(readManifest(dir)).toEqual(manifest);
    expect(readdirSync(dir).sort()).toEqual(files);
    expect((await prepareSmall(dir)).reused).toBe(true);
  });

  it("uses a given tokenizer as it is", async () => {
    const [a, b] = [newDir(), newDir()];
    await prepareSmall(a);
    const path = join(a, "tokenizer.json");
    const corpora = [{ name: "other", documents: () => makeDocuments(50, 9) }];
    const { manifest } = await prepareSmall(b, { corpora, tokenizer: path });
    expect(manifest.tokenizer.sha256).toBe(Tokenizer.load(path).sha256);
    expect(readFileSync(join(b, "tokenizer.json"))).toEqual(readFileSync(path));
  });

  it("tells its progress up to the last byte", async () => {
    const events: PrepareProgressEvent[] = [];
    const { manifest } = await prepareSmall(newDir(), { onProgress: (event) => events.push(event) });
    expect(new Set(events.map(({ phase }) => phase))).toEqual(new Set(["hash", "tokenizer", "encode"]));
    const last = events.at(-1);
    const two = manifest.corpora[1]?.splits;
    expect(last).toEqual({
      phase: "encode",
      corpus: "two",
      bytes: (two?.train.bytes ?? 0) + (two?.val.bytes ?? 0),
      tokens: (two?.train.tokens ?? 0) + (two?.val.tokens ?? 0),
    });
  });

  it("takes part of the text for the tokenizer when there is more than asked for", async () => {
    const events: PrepareProgressEvent[] = [];
    await prepareSmall(newDir(), { tokenizerSampleBytes: 4000, onProgress: (event) => events.push(event) });
    const counted = events.filter(({ phase }) => phase === "tokenizer").map(({ bytes }) => bytes);
    // Half of the budget each, and at most one document more.
    for (const bytes of counted) expect(bytes).toBeLessThan(2000 + 2500);
  });

  it("explains options and corpora that cannot be", async () => {
    const dir = newDir();
    const documents = () => makeDocuments(3);
    await expectCaiError(() => prepareSmall(dir, { corpora: [] }), "E_ARGUMENT", "corpora");
    await expectCaiError(() => prepareSmall(dir, { valFraction: 1 }), "E_ARGUMENT", "valFraction", "1");
    await expectCaiError(() => prepareSmall(dir, { vocabSize: 100 }), "E_ARGUMENT", "vocabSize", "100");
    await expectCaiError(() => prepareSmall(dir, { tokenizerSampleBytes: 0 }), "E_ARGUMENT", "tokenizerSampleBytes");
    const escaping = [{ name: "../x", documents }];
    await expectCaiError(() => prepareSmall(dir, { corpora: escaping }), "E_ARGUMENT", "../x");
    const same = [
      { name: "a", documents },
      { name: "a", documents },
    ];
    await expectCaiError(() => prepareSmall(dir, { corpora: same }), "E_ARGUMENT", "a twice");
    await expectCaiError(() => prepareSmall(dir, { corpora: [{ name: "a" }] }), "E_ARGUMENT", "path or documents");
    const none = [{ name: "a", documents: () => [] }];
    await expectCaiError(() => prepareSmall(dir, { corpora: none }), "E_ARGUMENT", "corpus a", "for training");
    const single = [{ name: "a", documents: () => makeDocuments(1) }];
    await expectCaiError(() => prepareSmall(dir, { corpora: single, valFraction: 1e-9 }), "E_ARGUMENT", "validation");
    expect((await prepareSmall(dir, { corpora: single, valFraction: 0 })).manifest.totals.val.documents).toBe(0);
  });
});
