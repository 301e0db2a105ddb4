import { cpSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type ChatTree, chatTemplates, conversationsFrom, tokenizeChat } from "@cai/visibility-mask";
import { beforeAll, describe, expect, it } from "vitest";
import {
  ConversationDataset,
  prepareCorpora,
  readConversations,
  readManifest,
  TokenDataset,
  Tokenizer,
} from "../../src/data/index.js";
import { corpusOf } from "../../src/data/manifest.js";
import { splitOfTree } from "../../src/data/write-corpora.js";
import { collect, expectCaiError, makeDocuments, makeTrees, temporaryFolder } from "./helpers.js";

const folder = temporaryFolder();

describe("readConversations", () => {
  const messages = (text: string) => ({ messages: [{ role: "user", content: text }] });
  const short = (trees: ChatTree[]) => trees.map(({ turns }) => turns.map(({ text, parent }) => `${text}${parent}`));

  function write(name: string, lines: readonly unknown[]): string {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("\n");
    writeFileSync(join(folder, name), name.endsWith(".gz") ? gzipSync(text) : text);
    return join(folder, name);
  }

  it("reads any form a line, and gathers lines that are messages of one tree", async () => {
    const message = (id: string, parent_id: string | null) => ({ id, parent_id, role: "user", content: id });
    const lines = [
      message("a", null),
      message("b", "a"),
      message("c", "a"),
      message("x", null),
      messages("m"),
      { role: "prompter", text: "r", replies: [{ role: "assistant", text: "s" }] },
      message("y", null),
      message("z", "y"),
    ];
    const expected = [["a-1", "b0", "c0"], ["x-1"], ["m-1"], ["r-1", "s0"], ["y-1", "z0"]];
    for (const name of ["forms.jsonl", "forms.jsonl.gz"]) {
      expect(short(await collect(readConversations(write(name, lines))))).toEqual(expected);
    }
  });

  it("reads a directory's .jsonl files alone", async () => {
    mkdirSync(join(folder, "many"));
    write("many/b.jsonl", [messages("2")]);
    write("many/a.jsonl", [messages("1")]);
    writeFileSync(join(folder, "many/readme.txt"), "not read");
    expect(short(await collect(readConversations(join(folder, "many"))))).toEqual([["1-1"], ["2-1"]]);
    await expectCaiError(() => collect(readConversations(join(folder, "many/readme.txt"))), "E_ARGUMENT", ".jsonl");
  });

  it("names file, line and turn of what is no conversation", async () => {
    const bad = write("bad.jsonl", [messages("a"), { messages: [{ role: "bard", content: "" }] }]);
    await expectCaiError(() => collect(readConversations(bad)), "E_FORMAT", `${bad}:3: turn 0`, '"bard"');
    const lost = write("lost.jsonl", [messages("a"), { id: 2, parent_id: 1, role: "user", content: "" }]);
    await expectCaiError(() => collect(readConversations(lost)), "E_FORMAT", `${lost}:3: message 0: answers 1`);
    writeFileSync(join(folder, "torn.jsonl"), '{"messages": [');
    await expectCaiError(() => collect(readConversations(join(folder, "torn.jsonl"))), "E_FORMAT", "torn.jsonl:1");
  });
});

describe("prepared conversations", () => {
  const dir = join(folder, "prepared");
  const trees = makeTrees(150);
  const corpora = [
    { name: "chats", kind: "conversations" as const, conversations: () => trees },
    { name: "prose", documents: () => makeDocuments(60, 1) },
  ];
  const options = { corpora, vocabSize: 320, valFraction: 0.2, template: chatTemplates.chatml };

  beforeAll(async () => {
    await prepareCorpora({ ...options, outDir: dir });
  });

  it("come back by number as the template spells them, in the split that their first words decide", () => {
    const tokenizer = Tokenizer.load(join(dir, "tokenizer.json"));
    const { corpora: written } = readManifest(dir);
    for (const split of ["train", "val"] as const) {
      const expected = trees.filter((tree) => splitOfTree(tree, 0.2) === split);
      const dataset = ConversationDataset.open(dir, "chats", split);
      dataset.verify();
      expect(dataset.trees).toBe(expected.length);
      expect(dataset.trees).toBeGreaterThan(10);
      let [tokens, lossTokens] = [0, 0];
      // Backwards: any order is as good.
      for (let number = dataset.trees - 1; number >= 0; number--) {
        const encode = (text: string, how: { special: boolean }) => tokenizer.encode(text, how);
        const tree = dataset.tree(number);
        expect(tree).toEqual(tokenizeChat(expected[number] as ChatTree, { encode, template: chatTemplates.chatml }));
        for (const turn of tree.turns) {
          tokens += turn.tokens.length;
          if (typeof turn.loss === "object") lossTokens += Array.from(turn.loss).filter(Boolean).length;
        }
      }
      dataset.close();
      expect(written[0]?.splits[split]).toMatchObject({ tokens, lossTokens, documents: expected.length });
      const bytes = expected.flatMap(({ turns }) => turns).reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
      expect(dataset.bytes).toBe(bytes);
    }
  });

  it("stand beside texts, and the manifest tells the template and who is learned", async () => {
    const manifest = readManifest(dir);
    expect(manifest.chat).toEqual({ template: chatTemplates.chatml, lossRoles: ["assistant"] });
    expect(manifest.corpora.map(({ kind }) => kind)).toEqual(["conversations", "text"]);
    const prose = TokenDataset.open(dir, "prose", "train");
    expect(prose.documents).toBeGreaterThan(30);
    prose.close();
    await expectCaiError(() => TokenDataset.open(dir, "chats", "train"), "E_ARGUMENT", "a corpus of text", "chats");
    await expectCaiError(() => ConversationDataset.open(dir, "prose", "train"), "E_ARGUMENT", "of conversations");
  });

  it("are prepared anew only when they, the template or the roles have changed", async () => {
    const outDir = join(folder, "again");
    const prepare = (changed: object) => prepareCorpora({ ...options, outDir, ...changed });
    const { reused } = await prepare({});
    expect(reused).toBe(false);
    expect(readdirSync(outDir).sort()).toEqual(readdirSync(dir).sort());
    for (const name of readdirSync(dir))
      expect(readFileSync(join(outDir, name))).toEqual(readFileSync(join(dir, name)));
    expect((await prepare({})).reused).toBe(true);
    expect((await prepare({ lossRoles: ["user"] })).reused).toBe(false);
    expect((await prepare({ template: chatTemplates.plain })).reused).toBe(false);
    expect(readdirSync(outDir)).toHaveLength(12);
    const other = [{ name: "chats", kind: "conversations" as const, conversations: () => trees.slice(1) }];
    expect((await prepare({ corpora: other })).reused).toBe(false);
    expect(readdirSync(outDir)).toHaveLength(8);
  });

  it("take a tokenizer that is there, which must have the template's stop", async () => {
    const outDir = join(folder, "given");
    const tokenizer = join(dir, "tokenizer.json");
    const { manifest } = await prepareCorpora({ ...options, outDir, tokenizer });
    expect(manifest.tokenizer.sha256).toBe(readManifest(dir).tokenizer.sha256);
    const plain = join(folder, "plain");
    await prepareCorpora({ ...options, outDir: plain, template: chatTemplates.plain });
    const without = { ...options, outDir, tokenizer: join(plain, "tokenizer.json") };
    await expectCaiError(() => prepareCorpora(without), "E_ARGUMENT", "<|im_end|>", "to be one token");
  });

  it("leave nothing behind when a conversation is refused", async () => {
    const outDir = join(folder, "refused");
    let reads = 0;
    const conversations = function* () {
      yield* trees;
      // Not yet when the inputs are hashed.
      if (++reads > 1) yield* conversationsFrom({ messages: [{ role: "nobody", content: "" }] });
    };
    const refused = [{ name: "chats", kind: "conversations" as const, conversations }];
    const tokenizer = join(dir, "tokenizer.json");
    await expectCaiError(
      () => prepareCorpora({ ...options, corpora: refused, outDir, tokenizer }),
      "E_FORMAT",
      "nobody",
    );
    expect(readdirSync(outDir)).toEqual([]);
  });

  describe("that are not whole", () => {
    let copies = 0;
    type File = "shard" | "trees" | "turns";

    /** A copy of the prepared directory in which `change` has been done to a file of the training split. */
    function damaged(which: File, change: (path: string) => void): [open: () => ConversationDataset, path: string] {
      const copy = join(folder, `copy-${++copies}`);
      cpSync(dir, copy, { recursive: true });
      const path = join(copy, corpusOf(readManifest(dir), "chats", "conversations").splits.train[which].file);
      change(path);
      return [() => ConversationDataset.open(copy, "chats", "train"), path];
    }

    const patch = (at: number, bytes: number[]) => (path: string) => {
      const content = readFileSync(path);
      content.set(bytes, at);
      writeFileSync(path, content);
    };

    it.each<[string, File, (path: string) => void, string]>([
      ["a shard that is cut off", "shard", (path) => truncateSync(path, 1000), "cut off"],
      ["trees that are cut off", "trees", (path) => truncateSync(path, 300), "cut off"],
      ["turns without a header", "turns", (path) => truncateSync(path, 9), "header of 128"],
      ["trees that are an index", "trees", patch(0, [...Buffer.from("CAIINDEX")]), "CAITREES"],
      ["turns that are trees", "turns", patch(0, [...Buffer.from("CAITREES")]), "CAITURNS"],
      ["trees of another width", "trees", patch(12, [16]), "expected 24"],
      ["turns of another preparation", "turns", patch(48, [0, 1, 2]), "checksum"],
      ["trees of another tokenizer", "trees", patch(80, [0, 1, 2]), "tokenizer"],
    ])("names %s", async (_, which, change, part) => {
      const [open, path] = damaged(which, change);
      await expectCaiError(open, "E_FORMAT", path, part);
    });

    const wide = [0xff, 0xff, 0xff, 0x7f];
    it.each<[string, File, number, number[], number, string]>([
      ["a tree that begins after it ends", "trees", 128 + 24, wide, 0, "tree 0: expected a place within"],
      ["a tree that begins after the last token", "trees", 128 + 24, wide, 1, "tree 1: expected a place within"],
      ["a tree without turns", "trees", 128 + 24 + 16, [0], 0, "tree 0: expected a place within"],
      ["a tree with more turns than there are", "trees", 128 + 24 + 16, wide, 0, "tree 0: expected a place within"],
      ["a root that answers", "turns", 128, [0, 0, 0, 0], 0, "turn 0: expected an earlier turn"],
      ["a turn that answers itself", "turns", 128 + 16 * 2, [1, 0, 0, 0], 1, "turn 1: expected an earlier turn"],
      ["a turn longer than its tree", "turns", 128 + 4, wide, 0, "turn 0: expected"],
      ["a turn that leaves tokens over", "turns", 128 + 4, [0, 0, 0, 0], 0, "tokens in all"],
      ["a loss that ends before it begins", "turns", 128 + 8, [1, 0, 0, 0], 0, "a loss within its tokens"],
      ["a loss after its turn's end", "turns", 128 + 12, wide, 0, "a loss within its tokens"],
      ["an id outside the vocabulary", "shard", 128, [0xff, 0xff], 0, "token 0: expected an id below 320, got 65535"],
    ])("names %s, and finds it by checksum too", async (_, which, at, bytes, tree, part) => {
      const [open, path] = damaged(which, patch(at, bytes));
      const dataset = open();
      await expectCaiError(() => dataset.tree(tree), "E_FORMAT", path, part);
      await expectCaiError(() => dataset.verify(), "E_FORMAT", path, "checksum");
      dataset.close();
    });

    it("refuses trees that are not there", async () => {
      const dataset = ConversationDataset.open(dir, "chats", "val");
      for (const number of [-1, 0.5, dataset.trees]) {
        await expectCaiError(() => dataset.tree(number), "E_ARGUMENT", `got ${number}`);
      }
      dataset.close();
    });
  });
});
