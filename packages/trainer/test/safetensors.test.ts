import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DType, floatTensor, isCaiError, type Tensor, tensorOver, zeros } from "@cai/native";
import { randomFloats } from "@cai/test-utils";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { readSafetensors, SafetensorsFile, writeSafetensors } from "../src/checkpoint/index.js";

const directory = mkdtempSync(join(tmpdir(), "cai-safetensors-"));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
const newPath = () => join(directory, `${files++}.safetensors`);

/** A file from parts that may be wrong. */
function craft(header: unknown, data = new Uint8Array(0), length?: bigint): string {
  const json = typeof header === "string" ? Buffer.from(header, "latin1") : Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length ?? BigInt(json.length));
  const path = newPath();
  writeFileSync(path, Buffer.concat([size, json, data]));
  return path;
}

const info = (dtype: string, shape: unknown, begin: unknown, end: unknown) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

async function write(tensors: Record<string, Tensor>, metadata?: Record<string, string>): Promise<string> {
  const path = newPath();
  await writeSafetensors(path, new Map(Object.entries(tensors)), metadata);
  return path;
}

describe("writeSafetensors", () => {
  it("writes the bytes that the format prescribes", async () => {
    const path = await write({ w: floatTensor(Float32Array.of(1, -2), [2, 1]) }, { format: "pt" });
    const json = '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}';
    const bytes = readFileSync(path);
    const length = Math.ceil(json.length / 8) * 8;
    expect(bytes.readBigUInt64LE(0)).toBe(BigInt(length));
    expect(bytes.subarray(8, 8 + length).toString()).toBe(json.padEnd(length));
    expect(bytes.subarray(8 + length).toString("hex")).toBe("0000803f000000c0");
  });

  it("reads back every dtype bit by bit, empty and scalar tensors too", async () => {
    const tensors = {
      "model.embed.weight": floatTensor(Float32Array.of(Number.NaN, -0, Number.POSITIVE_INFINITY, 1e-45), [2, 2]),
      'ü\n"\\': tensorOver("bfloat16", Uint16Array.of(0x3f80, 0x7fc1, 0xffff), [3]),
      ids: tensorOver("int32", Int32Array.of(-(2 ** 31), 2 ** 31 - 1), [1, 2, 1]),
      q: tensorOver("int8", Int8Array.of(-128, 127, 3), [3]),
      u: tensorOver("uint8", Uint8Array.of(255), []),
      none: zeros([0, 7]),
      __proto: zeros([1], "int8"),
      "7": zeros([1], "uint8"),
    };
    const { tensors: read, metadata } = await readSafetensors(await write(tensors, { b: "2", a: "1" }));
    expect(new Map([...read].sort())).toEqual(new Map(Object.entries(tensors).sort()));
    expect([...metadata]).toEqual([
      ["a", "1"],
      ["b", "2"],
    ]);
  });

  it("gives the same bytes whatever the order, and puts wide elements first so that all are aligned", async () => {
    const a = zeros([3], "int8");
    const b = zeros([1], "bfloat16");
    const c = floatTensor(Float32Array.of(5), [1]);
    const one = readFileSync(await write({ a, b, c }));
    expect(readFileSync(await write({ c, a, b }))).toEqual(one);
    const file = await SafetensorsFile.open(await write({ a, b, c }));
    expect([...file.tensors.keys()]).toEqual(["c", "b", "a"]);
    await file.close();
  });

  it("writes views at an offset, strided and transposed tensors, row by row", async () => {
    const data = Float32Array.from({ length: 24 }, (_, i) => i);
    const strided = {
      offset: floatTensor(data.subarray(5), [2, 2]),
      rows: floatTensor(data, [3, 2], [8, 1]),
      transposed: floatTensor(data, [2, 3], [1, 2]),
      repeated: floatTensor(data, [2, 2], [0, 1]),
    };
    const { tensors } = await readSafetensors(await write(strided));
    expect([...(tensors.get("offset")?.data ?? [])]).toEqual([5, 6, 7, 8]);
    expect([...(tensors.get("rows")?.data ?? [])]).toEqual([0, 1, 8, 9, 16, 17]);
    expect([...(tensors.get("transposed")?.data ?? [])]).toEqual([0, 2, 4, 1, 3, 5]);
    expect([...(tensors.get("repeated")?.data ?? [])]).toEqual([0, 1, 0, 1]);
  });

  it("handles tensors larger than its buffer, strided ones too", async () => {
    const rows = 700;
    const data = randomFloats(rows * 2000, 1);
    const path = await write({
      dense: floatTensor(data, [rows, 2000]),
      half: floatTensor(data, [rows, 1999], [2000, 1]),
    });
    const { tensors } = await readSafetensors(path);
    expect(
      Buffer.compare(Buffer.from(tensors.get("dense")?.data.buffer as ArrayBuffer), Buffer.from(data.buffer)),
    ).toBe(0);
    const half = tensors.get("half")?.data as Float32Array;
    for (const row of [0, 1, 523, 524, 525, 699]) {
      expect(half.subarray(row * 1999, (row + 1) * 1999)).toEqual(data.subarray(row * 2000, row * 2000 + 1999));
    }
  });

  it("returns size and checksum of what it wrote, and writes from memory without copying it", async () => {
    const path = newPath();
    const digest = await writeSafetensors(path, new Map([["x", zeros([100])]]));
    const bytes = readFileSync(path);
    const { createHash } = await import("node:crypto");
    expect(digest).toEqual({ bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
  });

  it("refuses what it can't write, and leaves no file behind", async () => {
    const path = newPath();
    const short: Tensor = { dtype: "float32", device: "cpu", shape: [5], data: new Float32Array(4) };
    const far: Tensor = { ...short, shape: [2, 2], strides: [3, 1] };
    const cuda: Tensor = { ...short, shape: [4], device: "cuda" };
    await expect(writeSafetensors(path, new Map([["x", short]]))).rejects.toThrow(/"x" \[5\] reaches beyond its 4/);
    await expect(writeSafetensors(path, new Map([["x", far]]))).rejects.toThrow(/"x" \[2,2\] reaches beyond its 4/);
    await expect(writeSafetensors(path, new Map([["x", cuda]]))).rejects.toThrow(/"x" is on cuda/);
    await expect(writeSafetensors(path, new Map([["__metadata__", zeros([1])]]))).rejects.toThrow(/reserved/);
    await writeSafetensors(path, new Map());
    await expect(writeSafetensors(path, new Map())).rejects.toThrow(/EEXIST/);
  });
});

describe("SafetensorsFile", () => {
  it("reads one tensor by position into memory that is there", async () => {
    const data = randomFloats(6, 3);
    const file = await SafetensorsFile.open(await write({ a: floatTensor(data, [2, 3]), b: zeros([2], "int32") }));
    const memory = new Float32Array(10);
    await file.readInto("a", floatTensor(memory.subarray(2), [2, 3]));
    expect([...memory]).toEqual([0, 0, ...data, 0, 0]);
    for (const target of [
      zeros([3, 2]),
      zeros([6]),
      zeros([2, 3], "int32"),
      floatTensor(new Float32Array(8), [2, 3], [4, 1]),
    ]) {
      await expect(file.readInto("a", target)).rejects.toThrow(/"a": expected a dense tensor .*, got float32 \[2,3\]/);
    }
    await expect(file.read("c")).rejects.toThrow(/no tensor "c" among 2/);
    await file.close();
  });

  it("reads unaligned data of a foreign file", async () => {
    const header = { a: info("U8", [1], 0, 1), b: info("F32", [1], 1, 5) };
    const { tensors } = await readSafetensors(craft(header, Uint8Array.of(9, 0, 0, 0x80, 0x3f)));
    expect(tensors.get("a")?.data).toEqual(Uint8Array.of(9));
    expect(tensors.get("b")?.data).toEqual(Float32Array.of(1));
  });

  it("keeps a tensor of a hostile name as a name", async () => {
    const { tensors } = await readSafetensors(
      craft('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', Uint8Array.of(1)),
    );
    expect(tensors.get("__proto__")?.data).toEqual(Uint8Array.of(1));
  });

  const one = (entry: unknown) => ({ t: entry });
  const four = new Uint8Array(4);
  const hostile: [string, () => string, RegExp][] = [
    ["an empty file", () => craftRaw([]), /truncated: 0 bytes/],
    ["a file shorter than a header length", () => craftRaw([1, 2, 3]), /truncated: 3 bytes/],
    [
      "a header length beyond the file",
      () => craft("{}", four, 100n),
      /truncated: a header of 100 bytes, but 6 follow/,
    ],
    ["a header length of 2^64 - 1", () => craft("{}", four, 2n ** 64n - 1n), /longer than the allowed 100000000/],
    ["a header above the limit", () => craft("{}", four, 100_000_001n), /longer than the allowed/],
    ["an empty header", () => craft("", four), /not JSON/],
    ["a header that is not JSON", () => craft("{]"), /not JSON/],
    ["a header that is not UTF-8", () => craft('{"\xff":1}'), /not JSON in UTF-8/],
    ["a header with a byte order mark", () => craft("\xef\xbb\xbf{}"), /not JSON/],
    ["a header that starts with a space", () => craft(" {}"), /start with \{/],
    ["a list", () => craft("[]"), /must be a JSON object/],
    ["null", () => craft("null"), /must be a JSON object/],
    ["metadata that is no object", () => craft({ __metadata__: [] }), /__metadata__ must be an object/],
    ["metadata of numbers", () => craft({ __metadata__: { a: 1 } }), /__metadata__ "a" must be a string/],
    [
      "a name twice",
      () =>
        craft(
          '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
        ),
      /"a" twice/,
    ],
    [
      "a field twice",
      () => craft('{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}'),
      /"dtype" twice/,
    ],
    ["a tensor that is null", () => craft(one(null)), /"t": expected dtype F32, BF16, I32, I8, U8, got undefined/],
    ["an unknown dtype", () => craft(one(info("F128", [1], 0, 4)), four), /got "F128"/],
    ["a dtype of another language", () => craft(one(info("float32", [1], 0, 4)), four), /got "float32"/],
    ["a negative size", () => craft(one(info("U8", [-4], 0, 4)), four), /expected a shape of sizes, got \[-4\]/],
    ["a fractional size", () => craft(one(info("U8", [0.5], 0, 4)), four), /expected a shape of sizes/],
    ["a shape that is no list", () => craft(one(info("U8", "4", 0, 4)), four), /expected a shape of sizes, got "4"/],
    [
      "one offset",
      () => craft(one({ dtype: "U8", shape: [4], data_offsets: [4] }), four),
      /expected data_offsets \[begin, end\]/,
    ],
    ["negative offsets", () => craft(one(info("U8", [4], -4, 0)), four), /expected data_offsets/],
    [
      "offsets the wrong way round",
      () => craft(one(info("U8", [4], 4, 0)), four),
      /takes 4 bytes, but its offsets span -4/,
    ],
    [
      "a size that does not fit its offsets",
      () => craft(one(info("F32", [4], 0, 4)), four),
      /takes 16 bytes, but its offsets span 4/,
    ],
    [
      "a shape whose product overflows",
      () => craft(one(info("U8", [2 ** 40, 2 ** 40], 0, 4)), four),
      /takes 1\.2.*e\+24 bytes/,
    ],
    [
      "offsets beyond the file",
      () => craft(one(info("U8", [8], 0, 8)), four),
      /truncated: tensor "t" ends at byte 8 .* holds 4/,
    ],
    ["huge offsets", () => craft(one(info("U8", [2 ** 50], 0, 2 ** 50)), four), /truncated: tensor "t"/],
    ["overlapping tensors", () => craft({ a: info("U8", [3], 0, 3), b: info("U8", [2], 2, 4) }, four), /"b" overlaps/],
    [
      "a tensor inside another",
      () => craft({ a: info("U8", [4], 0, 4), b: info("U8", [1], 1, 2) }, four),
      /"b" overlaps/,
    ],
    [
      "an empty tensor inside another",
      () => craft({ a: info("U8", [4], 0, 4), b: info("U8", [0], 1, 1) }, four),
      /"b" overlaps/,
    ],
    [
      "a hole between tensors",
      () => craft({ a: info("U8", [1], 0, 1), b: info("U8", [2], 2, 4) }, four),
      /bytes 1 to 2 .*before tensor "b"/,
    ],
    [
      "a hole at the start",
      () => craft(one(info("U8", [2], 2, 4)), four),
      /bytes 0 to 2 of the data belong to no tensor/,
    ],
    ["bytes after the last tensor", () => craft(one(info("U8", [2], 0, 2)), four), /2 bytes follow the last tensor/],
    ["data but no tensor", () => craft({}, four), /4 bytes follow/],
  ];

  function craftRaw(bytes: number[]): string {
    const path = newPath();
    writeFileSync(path, Uint8Array.from(bytes));
    return path;
  }

  it.each(hostile)("refuses %s", async (_, make, message) => {
    const error: unknown = await readSafetensors(make()).catch((reason: unknown) => reason);
    expect(isCaiError(error) && error.code).toBe("E_FORMAT");
    expect((error as Error).message).toMatch(message);
  });

  it("refuses a directory and a missing file", async () => {
    await expect(readSafetensors(directory)).rejects.toThrow(/expected a file/);
    await expect(readSafetensors(join(directory, "none"))).rejects.toMatchObject({ code: "E_IO" });
  });

  it("either reads a damaged file or refuses it, never anything else", async () => {
    const dtypes: DType[] = ["float32", "bfloat16", "int32", "int8", "uint8"];
    const source = readFileSync(
      await write(Object.fromEntries(dtypes.map((dtype) => [`t.${dtype}`, zeros([2, 3], dtype)]))),
    );
    const path = newPath();
    const damage = fc.record({
      at: fc.nat(source.length - 1),
      byte: fc.nat(255),
      cut: fc.option(fc.nat(source.length)),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ at, byte, cut }) => {
        const bytes = Buffer.from(source);
        bytes[at] = byte;
        writeFileSync(path, cut === null ? bytes : bytes.subarray(0, cut));
        const error: unknown = await readSafetensors(path).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined) expect(isCaiError(error) && error.code).toBe("E_FORMAT");
      }),
      { numRuns: 300, seed: 7 },
    );
  });
});
