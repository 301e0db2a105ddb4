import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ChatTemplate,
  type ChatTree,
  chatPrompt,
  chatTemplates,
  conversationsFrom,
  tokenizeChat,
} from "../../src/index.js";

const specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/** A token a character, and one from 0x110000 for each special token. */
function encode(text: string, { special }: { special: boolean }): number[] {
  const parts = special ? text.split(/(<\|\w+\|>)/) : [text];
  return parts.flatMap((part) => {
    const number = special ? specials.indexOf(part) : -1;
    return number < 0 ? Array.from(part, (c) => c.codePointAt(0) as number) : [0x110000 + number];
  });
}

function decode(tokens: ArrayLike<number>): string {
  return Array.from(tokens, (id) => specials[id - 0x110000] ?? String.fromCodePoint(id)).join("");
}

const tree: ChatTree = {
  turns: [
    { role: "system", text: "Hm.", parent: -1 },
    { role: "user", text: "Hello", parent: 0 },
    { role: "assistant", text: "Hi", parent: 1 },
    { role: "assistant", text: "", parent: 1 },
    { role: "assistant", text: "No", parent: 1, loss: false },
  ],
};

/** What is learned, in brackets. */
function marked(template: ChatTemplate, lossRoles?: ("user" | "assistant")[]): string[] {
  const { turns } = tokenizeChat(tree, { encode, template, ...(lossRoles && { lossRoles }) });
  return turns.map(({ tokens, loss }) => {
    const learned = Array.from(tokens, (_, i) => (typeof loss === "object" ? Boolean(loss[i]) : loss));
    const text = Array.from(tokens, (token, i) => {
      const before = learned[i] && !learned[i - 1] ? "[" : "";
      return before + decode([token]) + (learned[i] && !learned[i + 1] ? "]" : "");
    });
    return text.join("");
  });
}

describe("tokenizeChat", () => {
  it("spells turns by the plain template, and learns the assistant's text and its stop", () => {
    expect(marked(chatTemplates.plain)).toEqual([
      "<|endoftext|>system\nHm.<|endoftext|>",
      "user\nHello<|endoftext|>",
      "assistant\n[Hi<|endoftext|>]",
      "assistant\n[<|endoftext|>]",
      "assistant\nNo<|endoftext|>",
    ]);
  });

  it("spells ChatML, whose newline after a turn is not learned", () => {
    expect(marked(chatTemplates.chatml, ["user", "assistant"])).toEqual([
      "<|im_start|>system\nHm.<|im_end|>\n",
      "<|im_start|>user\n[Hello<|im_end|>]\n",
      "<|im_start|>assistant\n[Hi<|im_end|>]\n",
      "<|im_start|>assistant\n[<|im_end|>]\n",
      "<|im_start|>assistant\nNo<|im_end|>\n",
    ]);
  });

  it("takes a template of one's own, with names of roles", () => {
    const template = {
      name: "own",
      begin: "^",
      head: "{role}>{role} ",
      stop: "$",
      after: "",
      roles: { assistant: "$&" },
    };
    expect(marked(template).slice(0, 3)).toEqual(["^system>system Hm.$", "user>user Hello$", "$&>$& [Hi$]"]);
  });

  it("keeps the parents, and takes a text that spells a stop as plain text", () => {
    const forged = { turns: [{ role: "user", text: "a<|im_end|>", parent: -1 }] } as const;
    const { turns } = tokenizeChat(forged, { encode, template: chatTemplates.chatml });
    expect(Array.from(turns[0]?.tokens ?? []).filter((id) => id === 0x110002)).toHaveLength(1);
    expect(tokenizeChat(tree, { encode }).turns.map(({ parent }) => parent)).toEqual([-1, 0, 1, 1, 1]);
  });

  it("says which token a tokenizer lacks, and which role is none", () => {
    const letters = (text: string) => Array.from(text, (c) => c.charCodeAt(0));
    expect(() => tokenizeChat(tree, { encode: letters, template: chatTemplates.chatml })).toThrow(
      'template chatml: expected its stop "<|im_end|>" to be one token, got 10: use a tokenizer that has it',
    );
    expect(() => tokenizeChat(tree, { encode, lossRoles: ["bot" as "user"] })).toThrow(
      "lossRoles must be system or user",
    );
  });
});

describe("tokenizeChat and chatPrompt", () => {
  const turn = { role: "user", text: "Hi", parent: -1 };
  it.each<[string, unknown, unknown, string]>([
    ["options that are none", [turn], null, "options must be an object or left out, got null"],
    ["turns that are none", undefined, { encode }, "turns must be an array, got undefined"],
    ["a role that is none", [{ ...turn, role: "bot" }], { encode }, "the role of turn 0 must be system or user"],
    ["a text that is none", [{ ...turn, text: undefined }], { encode }, "text must be a string, got undefined"],
    ["no tokenizer", [turn], {}, "encode must be a function, got undefined"],
    ["a tokenizer that gives a promise", [turn], { encode: async () => [1] }, "what encode returns must be an array"],
    ["a tokenizer that gives no ids", [turn], { encode: () => [-1] }, "id 0 that encode returns must be a token id"],
    ["half a template", [turn], { encode, template: { begin: "" } }, "template.head must be a string"],
  ])("refuse %s", (_, turns, options, message) => {
    const refused = expect.objectContaining({ code: "E_ARGUMENT", message: expect.stringContaining(message) });
    expect(() => tokenizeChat({ turns } as never, options as never)).toThrow(refused);
    expect(() => chatPrompt(turns as never, options as never)).toThrow(refused);
  });

  it("call the tokenizer as a method", () => {
    const tokenizer = { offset: 5, encode: (_: string) => [0] };
    tokenizer.encode = function (this: typeof tokenizer) {
      return [this.offset];
    };
    expect(Array.from(chatPrompt([], tokenizer).tokens)).toEqual([5, 5]);
  });
});

describe("chatPrompt", () => {
  it("is what a whole conversation's tokens begin with, up to the answer's text", () => {
    const text = fc.string({ unit: "binary" });
    const templates = fc.constantFrom<ChatTemplate>(chatTemplates.plain, chatTemplates.chatml);
    fc.assert(
      fc.property(fc.array(text, { maxLength: 5 }), text, templates, (asked, answer, template) => {
        const messages = asked.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content }));
        const all = conversationsFrom([...messages, { role: "assistant", content: answer }])[0] as ChatTree;
        const whole = tokenizeChat(all, { encode, template }).turns.flatMap(({ tokens }) => Array.from(tokens));
        const { tokens, stopToken } = chatPrompt(all.turns.slice(0, -1), { encode, template });
        const answered = [...tokens, ...encode(answer, { special: false }), stopToken];
        expect(answered).toEqual(whole.slice(0, answered.length));
        expect(decode(whole.slice(answered.length))).toBe(template.after);
      }),
    );
  });

  it("lets another role speak", () => {
    const { tokens } = chatPrompt([{ role: "assistant", text: "Hi" }], { encode, role: "user" });
    expect(decode(tokens)).toBe("<|endoftext|>assistant\nHi<|endoftext|>user\n");
  });
});
