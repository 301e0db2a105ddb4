import { chatPrompt, chatTemplates } from "@cai/visibility-mask";
import { describe, expect, it, vi } from "vitest";
import { type ChatOptions, ChatSession } from "../../src/chat/session.js";
import { Tokenizer } from "../../src/data/index.js";
import { formatTokenizerJson } from "../../src/data/tokenizer-json.js";
import { PreTokenCounts, trainBpe } from "../../src/data/train-bpe.js";
import { generateTokens } from "../../src/generate/generate.js";
import { Trainer } from "../../src/trainer.js";
import { tinyRecipe } from "../support/tiny-recipe.js";

const context = 128;
const counts = new PreTokenCounts();
counts.add("user assistant system Hello there, who are you? I am a model and you are a person.");
const tokenizer = new Tokenizer(formatTokenizerJson(trainBpe(counts, { vocabSize: 280 })));
const { model } = new Trainer(tinyRecipe({ vocabSize: tokenizer.vocabSize, maxSeqLen: context, window: 20 }));
const template = chatTemplates.plain;
const encode = (text: string, options: { special: boolean }) => tokenizer.encode(text, options);

const open = (options: Partial<ChatOptions> = {}) =>
  new ChatSession(model, tokenizer, { template, maxTokens: 5, temperature: 0, ...options });

/** Says `text`. @returns the answer, how it ended, and how many tokens were read for it. */
function ask(session: ChatSession, text: string) {
  const reads = vi.spyOn(model, "nextLogits");
  const { dropped } = session.say(text);
  const answer = session.answer();
  let whole = "";
  for (let next = answer.next(); ; next = answer.next()) {
    if (!next.done) {
      whole += next.value;
      continue;
    }
    const read = reads.mock.calls.reduce((sum, [, tokens]) => sum + tokens.length, 0);
    reads.mockRestore();
    return { text: whole, end: next.value, read, dropped };
  }
}

/** The tokens of a message and of the head of its answer, without what begins a conversation. */
const turn = (text: string) => [...chatPrompt([{ role: "user", text }], { encode, template }).tokens.slice(1)];

function expectedAnswer(prompt: readonly number[], maxTokens = 5) {
  const ids = [...generateTokens(model, prompt, { maxTokens, temperature: 0, endOfText: tokenizer.endOfText })];
  const decoder = tokenizer.stream();
  return { ids, text: ids.map((id) => decoder.push(id)).join("") + decoder.end() };
}

describe("a conversation", () => {
  const end = tokenizer.endOfText;

  it("goes on from all that was said, each answer as it was drawn, and reads every token once", () => {
    const session = open();
    const prompt = [end, ...turn("Hello")];
    const first = expectedAnswer(prompt);
    expect(ask(session, "Hello")).toMatchObject({ text: first.text, end: "length", dropped: 0 });
    const said = [...first.ids, end, ...turn("who are you?")];
    const second = expectedAnswer([...prompt, ...said]);
    // The last token of the first answer was drawn but not read yet; that of the second never is.
    const read = said.length - (first.ids.length - 1) + second.ids.length - 1;
    expect(ask(session, "who are you?")).toMatchObject({ text: second.text, read });
  });

  it("begins with the system's turn, and keeps it through a reset", () => {
    const session = open({ system: "You are a person." });
    const turns = [
      { role: "system", text: "You are a person." },
      { role: "user", text: "Hello" },
    ] as const;
    const expected = expectedAnswer([...chatPrompt(turns, { encode, template }).tokens]).text;
    expect(ask(session, "Hello").text).toBe(expected);
    ask(session, "who are you?");
    session.reset();
    expect(ask(session, "Hello").text).toBe(expected);
  });

  it("drops the oldest exchanges down to half of the context when little room is left", () => {
    const session = open({ system: "a", maxTokens: 8 });
    const answers = Array.from({ length: 16 }, (_, i) => ask(session, `who ${i}`));
    const cuts = answers.flatMap(({ dropped }, i) => (dropped > 0 ? [i] : []));
    expect(cuts.length).toBeGreaterThan(1);
    for (const i of cuts) expect(answers[i]?.read).toBeLessThanOrEqual(context / 2 + 8);
    // Cut so far that it isn't cut again at once.
    for (const i of cuts) expect(answers[i + 1]?.dropped ?? 0).toBe(0);
    for (const { end: reason } of answers) expect(["stop", "length"]).toContain(reason);
  });

  it("refuses a message that is too long by itself, and forgets it", () => {
    const [session, other] = [open(), open()];
    ask(session, "Hello");
    ask(other, "Hello");
    expect(() => session.say("who are you? ".repeat(40))).toThrow(/at most 123 tokens of a context of 128, got \d+/);
    expect(ask(session, "who are you?")).toEqual(ask(other, "who are you?"));
  });

  it("ends an answer where the context is full", () => {
    const session = open({ maxTokens: 1000 });
    expect(ask(session, "Hello")).toMatchObject({ end: "context" });
  });

  it("remembers of an answer what was heard of it", () => {
    const session = open({ maxTokens: 20 });
    session.say("Hello");
    const answer = session.answer();
    const heard = answer.next().value as string;
    answer.return("stop");
    const ids = expectedAnswer([end, ...turn("Hello")], 20).ids;
    const cut = ids.slice(0, 1 + ids.findIndex((_, i) => tokenizer.decode(ids.slice(0, i + 1)) === heard));
    const prompt = [end, ...turn("Hello"), ...cut, end, ...turn("who are you?")];
    expect(ask(session, "who are you?").text).toBe(expectedAnswer(prompt, 20).text);
  });

  it("draws the same answers for the same seed, and says what options may be", () => {
    const answer = (seed: number) => ask(open({ temperature: 1, maxTokens: 12, seed }), "Hello").text;
    expect(answer(3)).toBe(answer(3));
    expect(answer(3)).not.toBe(answer(4));
    expect(() => open({ maxTokens: 0 })).toThrow("maxTokens must be an integer of at least 1, got 0");
    expect(() => open({ topP: 2 })).toThrow("topP must be a number above 0 and at most 1, got 2");
  });
});
