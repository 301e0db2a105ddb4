import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ChatRole, type ChatTurn, conversationsFrom, isTreeMessage } from "../../src/index.js";

const short = (turns: readonly ChatTurn[]) => turns.map(({ role, text, parent }) => `${parent} ${role}: ${text}`);

describe("conversationsFrom", () => {
  it("reads OpenAI's messages, with contents of text parts, tool calls and turns that are not to be learned", () => {
    const [tree, ...more] = conversationsFrom({
      messages: [
        { role: "developer", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "What is " },
            { type: "text", text: "2 + 3?" },
          ],
        },
        { role: "assistant", content: null, tool_calls: [{ id: "c1", function: { name: "add", arguments: "[2,3]" } }] },
        { role: "tool", tool_call_id: "c1", content: "5" },
        { role: "assistant", content: "Five?", weight: 0 },
        { role: "assistant", content: "5.", weight: 1 },
      ],
      tools: [],
    });
    expect(more).toEqual([]);
    expect(short(tree?.turns ?? [])).toEqual([
      "-1 system: Be brief.",
      "0 user: What is 2 + 3?",
      '1 assistant: [{"name":"add","arguments":"[2,3]"}]',
      "2 tool: 5",
      "3 assistant: Five?",
      "4 assistant: 5.",
    ]);
    expect(tree?.turns.map(({ loss }) => loss)).toEqual([undefined, undefined, undefined, undefined, false, undefined]);
  });

  it("reads ShareGPT's conversations with its role names, and a system text beside them", () => {
    const conversations = [
      { from: "human", value: "Weather?" },
      { from: "function_call", value: "{}" },
      { from: "observation", value: "rain" },
      { from: "gpt", value: "It rains." },
    ];
    const [tree] = conversationsFrom([{ conversations, system: "Help." }]);
    expect(short(tree?.turns ?? [])).toEqual([
      "-1 system: Help.",
      "0 user: Weather?",
      "1 assistant: {}",
      "2 tool: rain",
      "3 assistant: It rains.",
    ]);
  });

  it("reads nested replies depth-first, below a prompt or by themselves", () => {
    const message = (role: string, text: string, replies: object[] = []) => ({ role, text, replies });
    const prompt = message("prompter", "a", [
      message("assistant", "b", [message("prompter", "c")]),
      message("assistant", "d"),
    ]);
    const expected = ["-1 user: a", "0 assistant: b", "1 user: c", "0 assistant: d"];
    for (const json of [{ message_tree_id: "t", prompt }, prompt, [prompt]]) {
      expect(conversationsFrom(json).map(({ turns }) => short(turns))).toEqual([expected]);
    }
  });

  it("makes a tree of each root of a flat list, whatever its order", () => {
    const list = [
      { message_id: "d", parent_id: "a", role: "assistant", text: "D" },
      { message_id: "c", parent_id: "b", role: "prompter", text: "C" },
      { message_id: "a", parent_id: null, role: "prompter", text: "A" },
      { message_id: "x", parent_id: "", role: "prompter", text: "X" },
      { message_id: "b", parent_id: "a", role: "assistant", text: "B" },
    ];
    expect(conversationsFrom(list).map(({ turns }) => short(turns))).toEqual([
      ["-1 user: A", "0 assistant: D", "0 assistant: B", "2 user: C"],
      ["-1 user: X"],
    ]);
    expect(list.every(isTreeMessage)).toBe(true);
    const camel = [
      { id: 0, parentId: null, role: "user", content: "A" },
      { id: 1, parentId: 0, role: "assistant", content: "B" },
    ];
    expect(conversationsFrom(camel).map(({ turns }) => short(turns))).toEqual([["-1 user: A", "0 assistant: B"]]);
  });

  it("takes an array of messages as one conversation, and roles of one's own", () => {
    const roles = { Mum: "user", Son: "assistant" } as const;
    const list = [
      { from: "Mum", value: "Supper?" },
      { from: "Son", value: "Please." },
    ];
    expect(conversationsFrom(list, { roles }).map(({ turns }) => short(turns))).toEqual([
      ["-1 user: Supper?", "0 assistant: Please."],
    ]);
  });

  it("gives back any tree that was written as a flat list or as nested replies", () => {
    const tree = fc
      .array(fc.tuple(fc.nat(), fc.constantFrom<ChatRole>("user", "assistant", "system", "tool"), fc.string()), {
        minLength: 1,
        maxLength: 20,
      })
      .map((drawn) => drawn.map(([seed, role, text], i) => ({ id: i, parent: i === 0 ? -1 : seed % i, role, text })));
    fc.assert(
      fc.property(tree, fc.func(fc.integer()), (turns, order) => {
        const nest = (id: number): object => ({
          ...turns[id],
          replies: turns.filter(({ parent }) => parent === id).map((turn) => nest(turn.id)),
        });
        const flat = turns.map(({ id, parent, role, text }) => ({
          id,
          parent_id: parent < 0 ? null : parent,
          role,
          text,
        }));
        const [byReplies] = conversationsFrom(nest(0));
        expect(conversationsFrom(flat)).toEqual([byReplies]);
        const shuffled = [...flat].sort((a, b) => order(a.id) - order(b.id));
        const paths = (list: readonly ChatTurn[]) => list.map((turn) => ancestry(list, turn)).sort();
        expect(paths(conversationsFrom(shuffled)[0]?.turns ?? [])).toEqual(paths(byReplies?.turns ?? []));
      }),
    );
  });

  it.each([
    ["an empty text beside tool calls", { content: "", tool_calls: [{ function: { name: "f", arguments: "{}" } }] }],
    ["no text parts beside tool calls", { content: [], tool_calls: [{ function: { name: "f", arguments: "{}" } }] }],
    ["a function call of the older form", { content: null, function_call: { name: "f", arguments: "{}" } }],
  ])("reads %s as the calls", (_, message) => {
    const [tree] = conversationsFrom({ messages: [{ role: "assistant", ...message }] });
    expect(tree?.turns[0]?.text).toBe('[{"name":"f","arguments":"{}"}]');
  });

  const said = (id: number, parent: number | null, more = {}) => ({
    id,
    parent_id: parent,
    role: "user",
    text: `${id}`,
    ...more,
  });

  it("takes messages with parent ids as a tree below `messages` too, and where each lists no replies", () => {
    const expected = ["-1 user: 1", "0 user: 2", "0 user: 3"];
    for (const json of [
      { messages: [said(1, null), said(2, 1), said(3, 1)] },
      [said(1, null, { replies: [] }), said(2, 1, { replies: [] }), said(3, 1, { replies: [] })],
    ]) {
      expect(conversationsFrom(json).map(({ turns }) => short(turns))).toEqual([expected]);
    }
  });

  it("takes nested conversations of one turn each, and null for no replies", () => {
    const one = { role: "user", text: "Hi", replies: [] };
    expect(conversationsFrom([one, one])).toHaveLength(2);
    expect(conversationsFrom({ ...one, replies: null })).toHaveLength(1);
  });

  it("takes an array of arrays of messages", () => {
    const hi = { role: "user", content: "Hi" };
    expect(conversationsFrom([[hi, hi], [hi]]).map(({ turns }) => turns.length)).toEqual([2, 1]);
    expect(() => conversationsFrom([[hi], [7]])).toThrow("conversation 1: turn 0: expected an object");
  });

  it("refuses replies that go in a circle", () => {
    const root = { role: "user", text: "Hi", replies: [] as unknown[] };
    root.replies.push(root);
    expect(() => conversationsFrom(root)).toThrow("turn 1: is there twice, or replies go in a circle");
  });

  it.each([
    [null, "options must be an object or left out, got null"],
    [{ roles: { bot: "asistant" } }, 'roles["bot"] must be system or user or assistant or tool, got "asistant"'],
  ])("refuses options %j", (options, message) => {
    expect(() => conversationsFrom([], options as never)).toThrow(`conversations: ${message}`);
  });

  it("follows replies deeper than the stack", () => {
    const list = Array.from({ length: 50_000 }, (_, id) => ({ id, parent_id: id - 1 || null, role: "user", text: "" }));
    const [tree] = conversationsFrom(list.slice(1));
    expect(tree?.turns.at(-1)?.parent).toBe(49_997);
  });

  const source = "chats.jsonl:7";
  const user = { role: "user", content: "Hi" };
  it.each<[string, unknown, string]>([
    [
      "a role that is none",
      { messages: [user, { role: "narrator", content: "" }] },
      "turn 1: expected a role of system",
    ],
    ["no role", { messages: [{ content: "Hi" }] }, "got undefined"],
    ["a role by a name of Object's", { messages: [{ role: "toString", content: "" }] }, 'got "toString"'],
    [
      "content that is a number",
      { messages: [{ role: "user", content: 5 }] },
      "turn 0: expected content to be a string",
    ],
    [
      "an image",
      [{ messages: [user, { role: "user", content: [{ type: "image_url" }] }] }],
      'conversation 0: turn 1: part 0: expected text, got the type "image_url"',
    ],
    ["a call of nothing", { messages: [{ role: "assistant", tool_calls: [{}] }] }, "tool call 0: expected a function"],
    ["a turn that is no object", { messages: ["Hi"] }, 'turn 0: expected an object with role and content, got "Hi"'],
    ["no turns", { messages: [] }, "expected turns, got none"],
    ["another form", { question: "?", answer: "!" }, "got fields question, answer"],
    ["no conversation", [7], "conversation 0: expected an object with messages"],
    ["replies that are no array", { role: "user", text: "", replies: {} }, "turn 0: expected replies to be an array"],
    [
      "an id that comes twice",
      [
        { ...user, id: 1, parent_id: null },
        { ...user, id: 1, parent_id: null },
      ],
      "message 1: has the id 1 of message 0",
    ],
    ["no id", [{ ...user, parent_id: null }], "message 0: expected an id or message_id, got undefined"],
    ["a parent that is missing", [{ ...user, id: 1, parent_id: "z" }], 'message 0: answers "z", which is not among'],
    [
      "a circle",
      [
        { ...user, id: 1, parent_id: 2 },
        { ...user, id: 2, parent_id: 1 },
      ],
      "2 of 2 messages answer each other in a circle",
    ],
  ])("refuses %s and says where it is", (_, json, message) => {
    expect(() => conversationsFrom(json, { source })).toThrow(message);
    expect(() => conversationsFrom(json, { source })).toThrow(
      expect.objectContaining({ code: "E_FORMAT", message: expect.stringContaining(`conversations: ${source}`) }),
    );
  });
});

/** The roles and texts from the root to a turn. */
function ancestry(turns: readonly ChatTurn[], turn: ChatTurn): string {
  const parent = turns[turn.parent];
  return `${parent ? ancestry(turns, parent) : ""}/${JSON.stringify([turn.role, turn.text])}`;
}
