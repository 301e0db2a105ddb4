import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { floatTensor, tensorOver, zeros } from "@cai/native";
import { randomFloats } from "@cai/test-utils";
import { afterEach, describe, expect, it } from "vitest";
import {
  type CheckpointContent,
  checkpointDigest,
  discardCheckpointsAfter,
  listCheckpoints,
  loadCheckpoint,
  newestGoodCheckpoint,
  saveCheckpoint,
} from "../src/checkpoint/index.js";
import { resolveRecipe } from "../src/config/index.js";
import { smoke } from "../src/recipes/smoke.js";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function newRun(): string {
  const folder = mkdtempSync(join(tmpdir(), "cai-run-"));
  folders.push(folder);
  return folder;
}

const recipe = resolveRecipe(smoke({ dataDir: "data" }));

const content = (step: number, seed = step): CheckpointContent => ({
  step,
  tensors: {
    model: new Map([["w", floatTensor(randomFloats(12, seed), [3, 4])]]),
    optimizer: new Map([["w.m", floatTensor(randomFloats(12, seed + 1), [3, 4])]]),
  },
  state: { position: 17, order: ["a", "b"] },
  recipe,
  config: { model_type: "llama" },
});

const stepsIn = async (run: string) => (await listCheckpoints(run)).map(({ step }) => step);
const inside = (run: string) => readdirSync(join(run, "checkpoints")).sort();

describe("saveCheckpoint and loadCheckpoint", () => {
  it("give back everything that was saved", async () => {
    const run = newRun();
    const dir = await saveCheckpoint(run, content(123));
    expect(dir).toBe(join(run, "checkpoints", "step-00000123"));
    expect(readdirSync(dir).sort()).toEqual([
      "config.json",
      "manifest.json",
      "model.safetensors",
      "optimizer.safetensors",
      "recipe.json",
      "state.json",
    ]);
    const loaded = await loadCheckpoint(dir);
    expect(loaded).toMatchObject({ dir, step: 123, recipe, config: { model_type: "llama" } });
    expect(loaded.state).toEqual({ position: 17, order: ["a", "b"] });
    const model = await loaded.open("model");
    expect((await model.read("w")).data).toEqual(randomFloats(12, 123));
    await model.close();
    const optimizer = await loaded.open("optimizer");
    expect((await optimizer.readAll()).get("w.m")?.data).toEqual(randomFloats(12, 124));
    await optimizer.close();
  });

  it("holds further tensor files beside the two", async () => {
    const run = newRun();
    const base = content(1);
    const residuals = new Map([["r", tensorOver("int8", Int8Array.of(1, -1), [2])]]);
    const dir = await saveCheckpoint(run, { ...base, tensors: { ...base.tensors, residuals } });
    const file = await (await loadCheckpoint(dir)).open("residuals");
    expect((await file.read("r")).data).toEqual(Int8Array.of(1, -1));
    await file.close();
    const bad = { ...base, tensors: { ...base.tensors, "../x": residuals } };
    await expect(saveCheckpoint(run, bad)).rejects.toThrow(/expected a lower-case file name, got "\.\.\/x"/);
  });

  it("hold the tokenizer too, byte by byte", async () => {
    const dir = await saveCheckpoint(newRun(), { ...content(1), tokenizer: '{"a":"ü"}\n' });
    expect(readFileSync(join(dir, "tokenizer.json"), "utf8")).toBe('{"a":"ü"}\n');
    expect(await checkpointDigest(dir)).toBe(await checkpointDigest(await saveCheckpoint(newRun(), content(1))));
    truncateSync(join(dir, "tokenizer.json"), 3);
    await expect(loadCheckpoint(dir)).rejects.toThrow(/tokenizer\.json is truncated/);
  });

  it("keeps the last n, leftovers gone", async () => {
    const run = newRun();
    for (const step of [1, 2, 3, 4, 5]) await saveCheckpoint(run, content(step), { keep: 2 });
    expect(inside(run)).toEqual(["step-00000004", "step-00000005"]);
    mkdirSync(join(run, "checkpoints", ".tmp-step-00000006"));
    writeFileSync(join(run, "checkpoints", ".tmp-step-00000006", "model.safetensors"), "half");
    expect(await stepsIn(run)).toEqual([4, 5]);
    await saveCheckpoint(run, content(6), { keep: 1 });
    expect(inside(run)).toEqual(["step-00000006"]);
  });

  it("replaces a checkpoint of the same step", async () => {
    const run = newRun();
    const first = await checkpointDigest(await saveCheckpoint(run, content(1, 5)));
    const second = await checkpointDigest(await saveCheckpoint(run, content(1, 9)));
    expect(second).not.toBe(first);
    expect(inside(run)).toEqual(["step-00000001"]);
  });

  it("finds the replaced one when a crash came between the two renames, and cleans it up later", async () => {
    const run = newRun();
    const dir = await saveCheckpoint(run, content(1));
    renameSync(dir, `${dir}.replaced`);
    expect((await newestGoodCheckpoint(run)).newest).toEqual({ dir: `${dir}.replaced`, step: 1 });
    await saveCheckpoint(run, content(1));
    expect((await newestGoodCheckpoint(run)).newest).toEqual({ dir, step: 1 });
    await saveCheckpoint(run, content(2));
    expect(inside(run)).toEqual(["step-00000001", "step-00000002"]);
  });

  it("never deletes the newest whole checkpoint, even below torn ones", async () => {
    const run = newRun();
    for (const step of [30, 40, 50]) await saveCheckpoint(run, content(step));
    for (const step of ["40", "50"]) rmSync(join(run, "checkpoints", `step-000000${step}`, "manifest.json"));
    await saveCheckpoint(run, content(10), { keep: 1 });
    expect(await stepsIn(run)).toEqual([10, 30, 50]);
  });

  it("leaves what was there when it fails, and no half", async () => {
    const run = newRun();
    await saveCheckpoint(run, content(1));
    const broken = { ...content(2), state: { rate: Number.NaN } };
    await expect(saveCheckpoint(run, broken)).rejects.toMatchObject({ code: "E_ARGUMENT" });
    await expect(saveCheckpoint(run, broken)).rejects.toThrow(/state\.rate: expected a plain JSON value, got NaN/);
    for (const state of [undefined, { a: [1n] }, { when: new Date(0) }, { map: new Float32Array(1) }, { f: () => 1 }]) {
      await expect(saveCheckpoint(run, { ...content(2), state })).rejects.toThrow(/expected a plain JSON value/);
    }
    expect(inside(run)).toEqual(["step-00000001"]);
    await expect(saveCheckpoint(run, content(1.5))).rejects.toThrow(/expected a step of 0 or more, got 1\.5/);
  });

  it("says when the disk refuses", async () => {
    const run = newRun();
    writeFileSync(join(run, "checkpoints"), "a file in the way");
    await expect(saveCheckpoint(run, content(1))).rejects.toMatchObject({ code: "E_IO" });
  });

  it("discards the checkpoints after a step", async () => {
    const run = newRun();
    for (const step of [10, 20, 30]) await saveCheckpoint(run, content(step));
    await discardCheckpointsAfter(run, 10);
    expect(await stepsIn(run)).toEqual([10]);
    await discardCheckpointsAfter(join(run, "nowhere"), 1);
  });
});

describe("checkpointDigest", () => {
  it("is the same for the same training state, wherever saved and in whatever order", async () => {
    const one = await saveCheckpoint(newRun(), content(3));
    const other = await saveCheckpoint(newRun(), {
      ...content(3),
      state: { order: ["a", "b"], position: 17 },
      config: { changed: true },
    });
    expect(await checkpointDigest(other)).toBe(await checkpointDigest(one));
    expect((await loadCheckpoint(one)).digest).toBe(await checkpointDigest(one));
  });

  it("differs when a weight, a moment, the state or the step does", async () => {
    const base = content(3);
    const changed: CheckpointContent[] = [
      base,
      { ...base, tensors: { ...base.tensors, model: new Map([["w", zeros([3, 4])]]) } },
      { ...base, tensors: { ...base.tensors, optimizer: new Map([["w.m", zeros([3, 4])]]) } },
      { ...base, state: { position: 18, order: ["a", "b"] } },
      { ...base, step: 4 },
    ];
    const digests = await Promise.all(changed.map(async (c) => checkpointDigest(await saveCheckpoint(newRun(), c))));
    expect(new Set(digests).size).toBe(changed.length);
  });
});

describe("a damaged checkpoint", () => {
  const manifest = (dir: string, change: (value: Record<string, unknown>) => unknown) => {
    const path = join(dir, "manifest.json");
    writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>)));
  };
  const flip = (path: string) => {
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(path, bytes);
  };

  const damages: [string, (dir: string) => void, RegExp][] = [
    [
      "no manifest",
      (dir) => rmSync(join(dir, "manifest.json")),
      /manifest\.json is missing: no checkpoint, or one that was torn/,
    ],
    ["a torn manifest", (dir) => truncateSync(join(dir, "manifest.json"), 40), /manifest\.json is torn/],
    ["an empty manifest", (dir) => truncateSync(join(dir, "manifest.json"), 0), /manifest\.json is torn/],
    ["another program's manifest", (dir) => writeFileSync(join(dir, "manifest.json"), '{"name":"app"}'), /foreign/],
    ["a manifest that is no object", (dir) => writeFileSync(join(dir, "manifest.json"), "null"), /foreign/],
    [
      "a newer version",
      (dir) => manifest(dir, (m) => ({ ...m, version: 2, more: 1 })),
      /version 2 is newer than 1.*newer @cai\/trainer/,
    ],
    [
      "a manifest with unknown fields",
      (dir) => manifest(dir, (m) => ({ ...m, extra: 1 })),
      /manifest\.json is damaged/,
    ],
    [
      "a manifest that lists too little",
      (dir) => manifest(dir, (m) => ({ ...m, files: {} })),
      /damaged \(files: a required file is not listed\)/,
    ],
    [
      "a manifest that points outside",
      (dir) =>
        manifest(dir, (m) => ({
          ...m,
          files: { ...(m.files as object), "../../x.json": { bytes: 1, sha256: "0".repeat(64) } },
        })),
      /damaged/,
    ],
    ["a missing file", (dir) => rmSync(join(dir, "optimizer.safetensors")), /optimizer\.safetensors is missing/],
    [
      "a truncated file",
      (dir) => truncateSync(join(dir, "model.safetensors"), 20),
      /model\.safetensors is truncated: expected \d+ bytes, got 20/,
    ],
    [
      "a file that has grown",
      (dir) => writeFileSync(join(dir, "state.json"), "x", { flag: "a" }),
      /state\.json has grown/,
    ],
    [
      "one flipped bit in the weights",
      (dir) => flip(join(dir, "model.safetensors")),
      /model\.safetensors is corrupt: expected sha256/,
    ],
    ["one flipped bit in the recipe", (dir) => flip(join(dir, "recipe.json")), /recipe\.json is corrupt/],
  ];

  it.each(damages)("with %s is named and refused, and skipped for an older one", async (_, damage, message) => {
    const run = newRun();
    await saveCheckpoint(run, content(1));
    const dir = await saveCheckpoint(run, content(2));
    damage(dir);
    await expect(loadCheckpoint(dir)).rejects.toMatchObject({
      code: "E_FORMAT",
      message: expect.stringMatching(message),
    });
    await expect(checkpointDigest(dir)).rejects.toThrow(message);
    const { newest, skipped } = await newestGoodCheckpoint(run);
    expect(newest?.step).toBe(1);
    expect(skipped).toEqual([{ dir, reason: expect.stringMatching(message) }]);
  });

  it("of another version of the recipe is refused by name", async () => {
    const dir = await saveCheckpoint(newRun(), { ...content(1), recipe: { ...recipe, steps: 0 } });
    await expect(loadCheckpoint(dir)).rejects.toThrow(
      /recipe\.json is of another version: .*steps: expected an integer/,
    );
  });

  it("that is not there is an E_IO", async () => {
    await expect(loadCheckpoint(join(newRun(), "none"))).rejects.toMatchObject({ code: "E_IO" });
  });
});

describe("newestGoodCheckpoint", () => {
  it("finds nothing in an empty run folder", async () => {
    const run = newRun();
    expect(await newestGoodCheckpoint(run)).toEqual({ newest: undefined, skipped: [] });
    mkdirSync(join(run, "checkpoints", "step-1"), { recursive: true });
    writeFileSync(join(run, "checkpoints", "notes.txt"), "mine");
    expect(await listCheckpoints(run)).toEqual([]);
  });

  it("sorts by number, also beyond eight digits, and takes a folder that was copied", async () => {
    const run = newRun();
    await saveCheckpoint(run, content(99_999_999));
    await saveCheckpoint(run, content(100_000_000));
    expect(await stepsIn(run)).toEqual([99_999_999, 100_000_000]);
    const copy = newRun();
    cpSync(run, copy, { recursive: true });
    expect((await newestGoodCheckpoint(copy)).newest?.step).toBe(100_000_000);
    expect(existsSync(join(copy, "checkpoints", "step-100000000", "manifest.json"))).toBe(true);
  });
});
