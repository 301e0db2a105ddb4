import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeTrees } from "../data/helpers.js";
import { cai, writeTexts } from "../support/cli.js";

const folder = mkdtempSync(join(tmpdir(), "cai-chat-"));
const at = (...names: string[]) => join(folder, ...names);
const program = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const short = ["--set", "threads=2", "--set", "steps=12", "--set", "evalEvery=0"];

/** The whole path: a model of texts, conversations prepared with its tokenizer, and the model tuned on them. */
beforeAll(async () => {
  writeTexts(at("texts"));
  const corpora = ["--corpus", `texts=${at("texts")}`];
  expect(await cai(["prepare", ...corpora, "--out", at("data"), "--vocab-size", "320"])).toMatchObject({ code: 0 });
  const small = [...short, "--set", "model.maxSeqLen=128", "--set", "checkpointEvery=0"];
  const base = ["train", "smoke", "--data", at("data"), "--run", at("base"), ...small];
  expect(await cai(base)).toMatchObject({ code: 0 });

  const lines = makeTrees(40).map(({ turns }) => {
    const messages = turns.map(({ role, text }) => ({ role, content: text, replies: [] as unknown[] }));
    turns.forEach(({ parent }, i) => void messages[parent]?.replies.push(messages[i]));
    return JSON.stringify(messages[0]);
  });
  writeFileSync(at("mails.jsonl"), lines.join("\n"));
  const conversations = ["--conversations", `mails=${at("mails.jsonl")}`, "--val-fraction", "0.2"];
  const prepare = ["prepare", ...conversations, "--tokenizer", at("base"), "--out", at("chats")];
  expect(await cai(prepare)).toMatchObject({ code: 0 });
  const tune = ["train", "chat", "--from", at("base"), "--data", at("chats"), "--run", at("tuned"), ...short];
  expect(await cai([...tune, "--set", "optim.lr=3e-3"])).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const loss = async (run: string) => {
  const { stdout } = await cai(["eval", at(run), "--data", at("chats"), "--json"]);
  return JSON.parse(stdout) as { loss: number; tokens: number };
};
const chat = (input: string, ...more: string[]) =>
  cai(["chat", at("tuned"), "--max-tokens", "6", ...more], undefined, input);

describe("cai train chat --from", () => {
  it("lowers the loss on what assistants answer in held-out conversations", async () => {
    const [before, after] = [await loss("base"), await loss("tuned")];
    expect(after.loss).toBeLessThan(before.loss);
    const { corpora } = JSON.parse(readFileSync(at("chats", "manifest.json"), "utf8"));
    expect(after.tokens).toBe(corpora[0].splits.val.lossTokens);
    expect(JSON.parse(readFileSync(at("tuned", "summary.json"), "utf8")).valLoss).toBeCloseTo(after.loss, 6);
  });

  it("needs conversations, and a model to go on from", async () => {
    const texts = await cai(["train", "chat", "--from", at("base"), "--data", at("data"), "--run", at("none")]);
    expect(texts).toMatchObject({ code: 2, stdout: "" });
    expect(texts.stderr).toContain("holds no conversations: prepare some with `cai prepare --conversations`");
    const alone = await cai(["train", "chat", "--data", at("chats"), "--run", at("none")]);
    expect(alone.stderr).toContain("chat goes on from a trained model");
    expect(existsSync(at("none"))).toBe(false);
  });
});

describe("cai chat", () => {
  it("answers each line of a pipe, the same for the same seed", async () => {
    const first = await chat("Hello\n\nwho are you?\n");
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout.length).toBeGreaterThan(2);
    expect((await chat("Hello\nwho are you?")).stdout).toBe(first.stdout);
    expect((await chat("Hello\nwho are you?", "--seed", "2")).stdout).not.toBe(first.stdout);
  });

  it("goes by JSON lines, and says what came of a command or a message that is too long", async () => {
    const messages = [
      { content: "Hello" },
      "Hello",
      "/reset",
      { content: "Hello" },
      "/fly",
      "long ".repeat(200),
      "/quit",
    ];
    const { code, stdout } = await chat(
      messages.map((one) => JSON.stringify(one)).join("\n"),
      "--json",
      "--temperature",
      "0",
    );
    expect(code).toBe(0);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const answer = { content: expect.any(String), end: expect.stringMatching(/^(stop|length)$/) };
    expect(lines).toEqual([
      answer,
      answer,
      { notes: ["a new conversation"] },
      lines[0],
      { error: expect.stringContaining("there is no command /fly") },
      { error: expect.stringContaining("say it shorter") },
    ]);
  });

  it("drops the oldest exchanges when the context is full, and says so", async () => {
    const { stdout } = await chat(`${JSON.stringify("the wha le sea of ship")}\n`.repeat(12), "--json");
    const notes = stdout.split("\n").flatMap((line) => (line === "" ? [] : (JSON.parse(line).notes ?? [])));
    expect(notes.join()).toMatch(/the context is full: the (oldest exchange was|\d+ oldest exchanges were) dropped/);
  });

  it("takes a system turn, and refuses options out of range and what is no JSON", async () => {
    const { stdout } = await chat('"Hello"', "--json", "--system", "the sea ".repeat(60));
    expect(stdout).toContain("with the system's turn at most 122 tokens");
    expect(await chat("", "--top-p", "3")).toMatchObject({ code: 2, stderr: expect.stringContaining("topP must be") });
    expect(await chat("{}", "--json")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('{"content": "..."}'),
    });
  });

  it("says that a model has seen no conversations", async () => {
    const { code, stderr } = await cai(["chat", at("base")]);
    expect(code).toBe(2);
    expect(stderr).toContain("has seen no conversations: fine-tune it with `cai train chat --from`");
    cpSync(at("tuned", "checkpoints", "step-00000012"), at("torn"), { recursive: true });
    writeFileSync(at("torn", "chat.json"), "{}");
    expect((await cai(["chat", at("torn")])).stderr).toMatch(/chat\.json is (truncated|corrupt)/);
  });
});

/** The command on a pseudo terminal: types each part once the screen shows what it waits for. */
function onTerminal(args: readonly string[], steps: readonly (readonly [shown: string, typed: string])[]) {
  const command = [process.execPath, program, ...args].map((word) => `'${word}'`).join(" ");
  return new Promise<{ code: number | null; screen: string }>((resolve, reject) => {
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      stdio: "pipe",
      env: { ...process.env, NO_COLOR: "1" },
    });
    let screen = "";
    let from = 0;
    let step = 0;
    child.stdout.on("data", (bytes: Buffer) => {
      screen += bytes.toString();
      for (let next = steps[step]; next; next = steps[++step]) {
        const found = screen.indexOf(next[0], from);
        if (found < 0) return;
        from = found + next[0].length;
        child.stdin.write(next[1]);
      }
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, screen }));
  });
}

describe.skipIf(!existsSync("/usr/bin/script"))("cai chat on a terminal", () => {
  const prompt = "\u001b[3G";

  it("prompts, answers, keeps what is typed meanwhile, and ends at Ctrl-D with 0", async () => {
    const { code, screen } = await onTerminal(
      ["chat", at("tuned"), "--max-tokens", "8"],
      [
        [prompt, "/help\r"],
        [prompt, "Hello\rwho are you?\r"],
        ["who are you?", ""],
        [prompt, "\u0004"],
      ],
    );
    expect(code).toBe(0);
    expect(screen).toMatch(/chat, step 12: .* a context of 128 tokens\r\n\/help lists commands, Ctrl-D ends/);
    expect(screen).toContain("(/reset begins a new conversation");
  });

  it("ends an answer at Ctrl-C, empties a line at the next, and ends with 130 at the third", async () => {
    const { code, screen } = await onTerminal(
      ["chat", at("tuned"), "--max-tokens", "100000", "--system", "a"],
      [
        [prompt, "Hello\r\u0003"],
        [prompt, "half a line\u0003\u0003"],
      ],
    );
    expect(code).toBe(130);
    expect(screen).toContain("half a line");
  });
});
