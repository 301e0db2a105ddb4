import { checkChoice, checkList, checkOptions } from "@cai/portable/arguments";
import type { ConversationTree, ConversationTurn } from "../pack/conversation-tree.js";
import type { ChatTree, ChatTurn } from "./conversations.js";
import { type ChatRole, chatRoles } from "./roles.js";
import { type ChatEncoding, idsOf, type TurnMarks, turnMarks } from "./template.js";

export interface TokenizeChatOptions extends ChatEncoding {
  /** Whose turns are learned; the assistant's when absent. */
  readonly lossRoles?: readonly ChatRole[];
}

/**
 * The tokens of a conversation tree by a template. All that stands around a turn's text belongs to the turn, what begins
 * the conversation to its first turn. The loss is on the text and its stop, of turns of `lossRoles` alone.
 *
 * @throws CaiError `E_ARGUMENT` for a role that is none, or a tokenizer that has not one token for the template's stop
 */
export function tokenizeChat(tree: ChatTree, options: TokenizeChatOptions): ConversationTree {
  const op = "tokenizeChat";
  checkOptions(options, op);
  const { lossRoles = ["assistant"] } = options;
  checkList(lossRoles, "lossRoles", op);
  for (const role of lossRoles) checkChoice(role, "lossRoles", chatRoles, op);
  checkTurns(tree?.turns, op);
  const marks = marksByRole(options);
  return {
    turns: tree.turns.map((turn): ConversationTurn => {
      const { ids, from, to } = turnTokens(turn, turn.parent < 0, marks(turn.role), options);
      const tokens = Int32Array.from(ids);
      const learned = lossRoles.includes(turn.role) && turn.loss !== false;
      return { tokens, parent: turn.parent, loss: learned && new Uint8Array(tokens.length).fill(1, from, to) };
    }),
  };
}

/** What a model is given to answer a conversation. */
export interface ChatPrompt {
  /** The conversation so far and the head of the turn to come, as {@link tokenizeChat} gives them. */
  readonly tokens: Int32Array;
  /** The token that ends the answer. */
  readonly stopToken: number;
}

/**
 * The tokens up to where the next turn's text begins.
 *
 * @param turns the conversation so far, one after another; none when `role` is to begin
 * @param options `role` is who is to speak, the assistant when absent
 * @throws CaiError as {@link tokenizeChat}
 */
export function chatPrompt(
  turns: readonly Pick<ChatTurn, "role" | "text">[],
  options: ChatEncoding & { readonly role?: ChatRole },
): ChatPrompt {
  const op = "chatPrompt";
  checkOptions(options, op);
  const { role = "assistant" } = options;
  checkTurns(turns, op);
  checkChoice(role, "role", chatRoles, op);
  const marks = marksByRole(options);
  const { begin, head, stop } = marks(role);
  const ids = turns.flatMap((turn, i) => turnTokens(turn, i === 0, marks(turn.role), options).ids);
  return { tokens: Int32Array.from([...(turns.length === 0 ? begin : ids), ...head]), stopToken: stop };
}

function checkTurns(turns: readonly Pick<ChatTurn, "role">[], op: string): void {
  checkList(turns, "turns", op);
  turns.forEach((turn, i) => {
    checkChoice(turn?.role, `the role of turn ${i}`, chatRoles, op);
  });
}

function turnTokens(
  { text }: Pick<ChatTurn, "text">,
  isFirst: boolean,
  { begin, head, stop, after }: TurnMarks,
  encoding: ChatEncoding,
): { ids: number[]; from: number; to: number } {
  const ids = isFirst ? [...begin, ...head] : [...head];
  const from = ids.length;
  const encoded = idsOf(encoding, text, false);
  for (let i = 0; i < encoded.length; i++) ids.push(encoded[i] as number);
  const to = ids.push(stop);
  return { ids: ids.concat(after), from, to };
}

/** Each role's marks are encoded once a conversation. */
function marksByRole(options: ChatEncoding): (role: ChatRole) => TurnMarks {
  const known = new Map<ChatRole, TurnMarks>();
  return (role) => {
    const marks = known.get(role) ?? turnMarks(options, role);
    known.set(role, marks);
    return marks;
  };
}
