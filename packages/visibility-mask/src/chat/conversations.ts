import { checkChoice, checkOptions, describe } from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";
import { type ChatRole, chatRoles, roleNames, roleOf } from "./roles.js";

/** One utterance. */
export interface ChatTurn {
  readonly role: ChatRole;
  readonly text: string;
  /** Index of the turn that it answers, always an earlier one; -1 for the first. */
  readonly parent: number;
  /** False where the file says that this turn is not to be learned from (`"weight": 0`). */
  readonly loss?: false;
}

/** A conversation, or several that share their beginning: turns in depth-first order, the first of them the only root. */
export interface ChatTree {
  readonly turns: readonly ChatTurn[];
}

export interface ConversationsOptions {
  /** How errors call the place that the JSON is from, such as `chats.jsonl:12`. */
  readonly source?: string;
  /** Roles by names of one's own, beside the known ones. */
  readonly roles?: Readonly<Record<string, ChatRole>>;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads conversations from parsed JSON of any of these forms, or an array of them:
 *
 * - `{ messages: [{ role, content }] }` as of OpenAI; content is a string or an array of `{ type: "text", text }`.
 *   Tool calls, or a `function_call`, without content become the JSON of their names and arguments. `weight: 0` takes a turn out of the loss.
 * - `{ conversations: [{ from, value }], system? }` as of ShareGPT, from `human`, `gpt`, `system` and so on.
 * - `{ prompt: { role, text, replies: [...] } }` as of Open Assistant's trees, or such a message by itself.
 * - A flat array of messages with `id` or `message_id` and `parent_id` or `parentId` (null, absent or empty: a root), in
 *   any order: a tree for each root. `messages` and `conversations` may be such an array too.
 * - An array of messages: one conversation.
 *
 * Other fields are passed over. Field names may be mixed: text may be called content, text or value, and so on.
 *
 * @throws CaiError `E_FORMAT` naming source, conversation and turn: a role or text that is none, an unknown form, no
 *   turns, an id that comes twice, a parent that is missing, replies in a circle
 */
export function conversationsFrom(json: unknown, options: ConversationsOptions = {}): ChatTree[] {
  checkOptions(options, "conversations");
  const { source = "conversations", roles = {} } = options;
  for (const name of Object.keys(roles)) checkChoice(roles[name], `roles["${name}"]`, chatRoles, "conversations");
  const isList = Array.isArray(json) && !json.some(isNested) && json.some(isMessage);
  // Replies, though none anywhere, tell conversations of one turn from turns of one conversation.
  if (isList && (json.some(isTreeMessage) || !json.some(hasReplies))) return messageList(json, source, options);
  if (!Array.isArray(json)) return conversation(json, source, options);
  return json.flatMap((one, i) => conversation(one, `${source}: conversation ${i}`, options));
}

/** Whether this is one message of a flat list with parent ids, rather than a conversation. */
export function isTreeMessage(json: unknown): boolean {
  return isMessage(json) && !isNested(json) && ("parent_id" in json || "parentId" in json);
}

function conversation(json: unknown, place: string, options: ConversationsOptions): ChatTree[] {
  if (Array.isArray(json)) return messageList(json, place, options);
  if (isFields(json)) {
    const { messages, conversations, prompt, system } = json;
    const list = messages ?? conversations;
    if (Array.isArray(list)) {
      const first = typeof system === "string" && system !== "" ? [{ role: "system", content: system }] : [];
      return messageList([...first, ...list], place, options);
    }
    if (isFields(prompt)) return [nested(prompt, place, options)];
    if (isMessage(json)) return [nested(json, place, options)];
  }
  const known = "an object with messages, conversations, prompt, or role and replies";
  const came = isFields(json) ? `fields ${Object.keys(json).slice(0, 8).join(", ") || "none"}` : describe(json);
  refuse(place, `expected ${known}, got ${came}`);
}

/** Messages one after another, or trees of them by their parents' ids. */
function messageList(messages: readonly unknown[], place: string, options: ConversationsOptions): ChatTree[] {
  if (messages.length === 0) refuse(place, "expected turns, got none");
  if (messages.some(isTreeMessage)) return flatTrees(messages, place, options);
  return [{ turns: messages.map((message, i) => turnOf(message, i - 1, `${place}: turn ${i}`, options)) }];
}

function nested(root: Fields, place: string, options: ConversationsOptions): ChatTree {
  return depthFirst(root, place, options, (message, at) => {
    const replies = message.replies ?? [];
    if (!Array.isArray(replies)) refuse(at, `expected replies to be an array, got ${describe(replies)}`);
    return replies;
  });
}

function flatTrees(messages: readonly unknown[], place: string, options: ConversationsOptions): ChatTree[] {
  const byId = new Map<unknown, number>();
  const at = (i: number) => `${place}: message ${i}`;
  messages.forEach((message, i) => {
    const id = isFields(message) ? (message.id ?? message.message_id) : undefined;
    if (id === undefined || id === null) refuse(at(i), `expected an id or message_id, got ${describe(id)}`);
    if (byId.has(id)) refuse(at(i), `has the id ${describe(id)} of message ${byId.get(id)}: expected each id once`);
    byId.set(id, i);
  });
  const roots: Fields[] = [];
  const replies = new Map<unknown, Fields[]>();
  const siblings = (message: unknown) => replies.get(message) ?? (replies.set(message, []).get(message) as Fields[]);
  (messages as Fields[]).forEach((message, i) => {
    const parent = message.parent_id ?? message.parentId ?? "";
    const number = byId.get(parent);
    if (parent === "") roots.push(message);
    else if (number === undefined) refuse(at(i), `answers ${describe(parent)}, which is not among the messages`);
    else siblings(messages[number]).push(message);
  });
  const trees = roots.map((root) => depthFirst(root, place, options, (message) => replies.get(message) ?? []));
  const reached = trees.reduce((sum, { turns }) => sum + turns.length, 0);
  if (reached < messages.length) {
    refuse(place, `${messages.length - reached} of ${messages.length} messages answer each other in a circle`);
  }
  return trees;
}

/** Without recursion: replies may go deeper than the stack. */
function depthFirst(
  root: Fields,
  place: string,
  options: ConversationsOptions,
  repliesTo: (message: Fields, place: string) => readonly unknown[],
): ChatTree {
  const turns: ChatTurn[] = [];
  const seen = new Set<unknown>();
  const waiting: [message: unknown, parent: number][] = [[root, -1]];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [message, parent] = next;
    const at = `${place}: turn ${turns.length}`;
    const number = turns.push(turnOf(message, parent, at, options)) - 1;
    if (seen.has(message)) refuse(at, "is there twice, or replies go in a circle: repeat what answers two messages");
    seen.add(message);
    const replies = repliesTo(message as Fields, at);
    for (let i = replies.length - 1; i >= 0; i--) waiting.push([replies[i], number]);
  }
  return { turns };
}

function turnOf(message: unknown, parent: number, place: string, { roles }: ConversationsOptions): ChatTurn {
  if (!isFields(message)) refuse(place, `expected an object with role and content, got ${describe(message)}`);
  const name = message.role ?? message.from;
  const role = roleOf(name, roles);
  if (!role) refuse(place, `expected a role of ${roleNames(roles)} (options.roles adds more), got ${describe(name)}`);
  const text = textOf(message, place);
  return { role, text, parent, ...(message.weight === 0 && { loss: false }) };
}

function textOf(message: Fields, place: string): string {
  const content = message.content ?? message.text ?? message.value ?? message.content;
  const calls = message.tool_calls ?? (message.function_call ? [{ function: message.function_call }] : undefined);
  const isEmpty = content === null || content === undefined || (content as string | unknown[]).length === 0;
  if (isEmpty && Array.isArray(calls) && calls.length > 0) {
    return JSON.stringify(calls.map((call, i) => callOf(call, `${place}: tool call ${i}`)));
  }
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map((part, i) => partText(part, `${place}: part ${i}`)).join("");
  refuse(place, `expected content to be a string or an array of text parts, got ${describe(content)}`);
}

function partText(part: unknown, place: string): string {
  if (typeof part === "string") return part;
  if (isFields(part) && typeof part.text === "string") return part.text;
  const came = isFields(part) && typeof part.type === "string" ? `the type ${describe(part.type)}` : describe(part);
  refuse(place, `expected text, got ${came}: only text can be learned from`);
}

function callOf(call: unknown, place: string): { name: unknown; arguments: unknown } {
  if (!isFields(call) || !isFields(call.function)) refuse(place, `expected a function, got ${describe(call)}`);
  return { name: call.function.name, arguments: call.function.arguments };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMessage(value: unknown): value is Fields {
  return isFields(value) && ("role" in value || "from" in value);
}

function hasReplies(value: unknown): value is { replies: unknown[] } {
  return isMessage(value) && Array.isArray(value.replies);
}

function isNested(value: unknown): boolean {
  return hasReplies(value) && value.replies.length > 0;
}

function refuse(place: string, message: string): never {
  throw new CaiError("E_FORMAT", "conversations", `${place}: ${message}`);
}
