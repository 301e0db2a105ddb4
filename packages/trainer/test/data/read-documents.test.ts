import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { type ReadOptions, readDocuments } from "../../src/data/index.js";
import { collect, expectCaiError, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();

function put(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const read = (path: string, options?: ReadOptions) => collect(readDocuments(path, options));
const texts = async (path: string, options?: ReadOptions) => (await read(path, options)).map(({ text }) => text);

function parquet(columns: Record<string, unknown[]>, rowGroupSize?: number): Uint8Array {
  const columnData = Object.entries(columns).map(([name, data]) => ({ name, data }));
  return new Uint8Array(parquetWriteBuffer({ columnData, ...(rowGroupSize && { rowGroupSize }) }));
}

describe("readDocuments of text", () => {
  it("takes a file as one document, just as it is", async () => {
    const text = "A line\r\n\n\nanother — “line”\0\n";
    expect(await read(put("a.txt", text))).toEqual([{ id: "a.txt", text }]);
    expect(await read(put("b.txt.gz", gzipSync(text)))).toEqual([{ id: "b.txt.gz", text }]);
  });

  it("drops a byte-order mark at the beginning only, and passes over an empty file", async () => {
    expect(await texts(put("bom.txt", "\ufeffa\ufeff"))).toEqual(["a\ufeff"]);
    expect(await texts(put("empty.txt", ""))).toEqual([]);
  });

  it("splits at two blank lines or more on request", async () => {
    const path = put("chapters.txt", "\n\n\nOne.\n\nStill one.\n\n\nTwo.\r\n\r\n \r\n\r\n  Three.\n\n\n\n");
    expect(await read(path, { split: "blank-lines" })).toEqual([
      { id: "chapters.txt:1", text: "One.\n\nStill one." },
      { id: "chapters.txt:2", text: "Two." },
      { id: "chapters.txt:3", text: "  Three." },
    ]);
  });

  it("splits the same wherever the file's pieces are cut", async () => {
    const documents = Array.from({ length: 4000 }, (_, i) => `Document ${i}\n\n${"word ".repeat(i % 50)}end`);
    const path = put("many.txt", documents.join("\n\n \n\r\n"));
    expect(await texts(path, { split: "blank-lines" })).toEqual(documents);
    expect(await texts(put("feeds.txt", documents.join("\f")), { split: "form-feed" })).toEqual(documents);
  });

  it("names the byte that is not UTF-8", async () => {
    const path = put("latin1.txt", Buffer.from("caf\xe9 au lait", "latin1"));
    await expectCaiError(() => read(path), "E_FORMAT", path, "byte 3", "UTF-8");
    const far = put("far.txt", Buffer.concat([Buffer.alloc(600_000, "é"), Buffer.of(0xff)]));
    await expectCaiError(() => read(far), "E_FORMAT", "byte 600000");
  });

  it("says that a gzip file is cut off, or none", async () => {
    const whole = gzipSync(Buffer.from("text ".repeat(1000)));
    const cut = put("cut.txt.gz", whole.subarray(0, whole.length - 12));
    await expectCaiError(() => read(cut), "E_FORMAT", cut, "truncated");
    const none = put("none.txt.gz", "plain text");
    await expectCaiError(() => read(none), "E_FORMAT", none, "gzip");
    // Eight bytes before the end begins the checksum.
    const damaged = whole.map((byte, i) => (i === whole.length - 8 ? byte ^ 0xff : byte));
    await expectCaiError(() => read(put("damaged.txt.gz", damaged)), "E_FORMAT", "gzip");
  });
});

describe("readDocuments of JSONL", () => {
  it("takes the text field of each line, blank lines left out, the last one with or without an end", async () => {
    const path = put(
      "a.jsonl",
      '{"text":"one","n":1}\n\n{"n":2,"text":"two\\nlines \\ud83d\\ude00"}\r\n  \n{"text":""}\n{"text":"three"}',
    );
    expect(await read(path)).toEqual([
      { id: "a.jsonl:1", text: "one" },
      { id: "a.jsonl:3", text: "two\nlines 😀" },
      { id: "a.jsonl:6", text: "three" },
    ]);
    expect(await texts(put("b.jsonl.gz", gzipSync('{"body":"x"}\n')), { field: "body" })).toEqual(["x"]);
  });

  it("reads lines longer than a piece of the file", async () => {
    const long = "é".repeat(400_000);
    expect(await texts(put("long.jsonl", `{"text":"${long}"}\n{"text":"b"}\n`))).toEqual([long, "b"]);
  });

  it("names the line of broken JSON, of a missing field and of a wrong one", async () => {
    const broken = put("broken.jsonl", '{"text":"a"}\n\n{"text":\n');
    await expectCaiError(() => read(broken), "E_FORMAT", `${broken}:3`, "JSON");
    const missing = put("missing.jsonl", '{"text":"a"}\n{"body":"b","n":1}\n');
    await expectCaiError(() => read(missing), "E_FORMAT", `${missing}:2`, '"text"', "body, n");
    const wrong = put("wrong.jsonl", '{"text":["a"]}\n');
    await expectCaiError(() => read(wrong), "E_FORMAT", `${wrong}:1`, "string", "an array");
    await expectCaiError(() => read(put("list.jsonl", "[1]\n")), "E_FORMAT", ":1", "an array");
    await expectCaiError(() => read(put("inherited.jsonl", "{}\n"), { field: "toString" }), "E_FORMAT", "toString");
  });
});

describe("readDocuments of Parquet", () => {
  it("takes the text column, row group after row group", async () => {
    const column = Array.from({ length: 25 }, (_, i) => `Zeile ${i} — ü`);
    const bytes = parquet({ n: column.map((_, i) => i), text: column }, 10);
    expect(await read(put("a.parquet", bytes))).toEqual(column.map((text, i) => ({ id: `a.parquet:${i + 1}`, text })));
    expect(await texts(put("b.parquet.gz", gzipSync(bytes)))).toEqual(column);
    expect(await texts(put("c.parquet", parquet({ body: ["x", "y"] })), { field: "body" })).toEqual(["x", "y"]);
  });

  it("names the columns when the one asked for is missing, and the row that holds no string", async () => {
    const path = put("d.parquet", parquet({ body: ["x"], n: [1] }));
    await expectCaiError(() => read(path), "E_FORMAT", path, '"text"', "body, n");
    await expectCaiError(() => read(path, { field: "n" }), "E_FORMAT", "row 1", "number");
    await expectCaiError(() => read(put("e.parquet", parquet({ text: ["x", null] }))), "E_FORMAT", "row 2", "null");
  });

  it("refuses bytes that are not UTF-8 instead of replacing them", async () => {
    const path = put("f.parquet", parquet({ text: [Uint8Array.of(0x61, 0xff)] }));
    await expectCaiError(() => read(path), "E_FORMAT", "row 1", "invalid byte at 1");
  });

  it("says that a file is not Parquet, or cut off", async () => {
    await expectCaiError(() => read(put("g.parquet", "no")), "E_FORMAT", "g.parquet", "Parquet");
    const cut = put("h.parquet", parquet({ text: ["some text"] }).subarray(0, 40));
    await expectCaiError(() => read(cut), "E_FORMAT", cut, "Parquet");
  });
});

describe("readDocuments of a directory", () => {
  it("reads the known files in order of their paths and passes over others", async () => {
    put("tree/b.txt", "b");
    put("tree/a/z.jsonl", '{"text":"z"}');
    put("tree/B.txt.gz", gzipSync("B"));
    put("tree/b.json", "{");
    put("tree/notes.md", "no");
    expect((await read(join(folder, "tree"))).map(({ id }) => id)).toEqual(["B.txt.gz", "a/z.jsonl:1", "b.txt"]);
  });

  it("takes only what `include` matches", async () => {
    for (const name of ["chapter_1.txt", "chapter_12.txt", "data.txt", "sub/chapter_3.txt"]) put(`book/${name}`, name);
    const book = join(folder, "book");
    expect(await texts(book, { include: "chapter_*.txt" })).toEqual(["chapter_1.txt", "chapter_12.txt"]);
    expect(await texts(book, { include: "chapter_?.txt" })).toEqual(["chapter_1.txt"]);
    expect(await texts(book, { include: "**_3.txt" })).toEqual(["sub/chapter_3.txt"]);
    await expectCaiError(() => read(book, { include: "part_*" }), "E_ARGUMENT", book, "part_*");
  });

  it("explains a missing path and an unknown kind of file", async () => {
    await expectCaiError(() => read(join(folder, "nowhere")), "E_IO", "nowhere");
    await expectCaiError(() => read(put("x.csv", "a,b")), "E_ARGUMENT", "x.csv", ".jsonl");
    mkdirSync(join(folder, "bare"));
    await expectCaiError(() => read(join(folder, "bare")), "E_ARGUMENT", "bare");
  });

  it("closes its file when reading stops early", async () => {
    const path = put("stop.jsonl", '{"text":"a"}\n'.repeat(100_000));
    for await (const { text } of readDocuments(path)) {
      expect(text).toBe("a");
      break;
    }
  });
});
