import { checkList, describe } from "@cai/portable/arguments";
import { isToken, refuseId } from "../pack/check.js";
import { refuse } from "../refuse.js";
import type { ChatRole } from "./roles.js";

/**
 * How turns are spelled: begin, then for each turn head, text, stop and after. In these four, spellings of special
 * tokens mean those tokens; in a turn's text they never do, so no text can forge a turn.
 */
export interface ChatTemplate {
  readonly name: string;
  /** Stands before a conversation's first turn. */
  readonly begin: string;
  /** Stands before a turn's text; `{role}` in it becomes the role's name. */
  readonly head: string;
  /** Ends a turn's text: exactly one token, at which generation stops. */
  readonly stop: string;
  /** Stands between a turn's stop and the next turn; it is never learned. */
  readonly after: string;
  /** Names of roles where they differ, such as `{ assistant: "model" }`. */
  readonly roles?: Readonly<Partial<Record<ChatRole, string>>>;
}

const endOfText = "<|endoftext|>";

/** Templates by name. */
export const chatTemplates = {
  /** Needs no special token but the end of text: `<|endoftext|>user\nHello<|endoftext|>assistant\nHi<|endoftext|>`. */
  plain: { name: "plain", begin: endOfText, head: "{role}\n", stop: endOfText, after: "" },
  /** `<|im_start|>user\nHello<|im_end|>\n` for each turn. */
  chatml: { name: "chatml", begin: "", head: "<|im_start|>{role}\n", stop: "<|im_end|>", after: "\n" },
} as const satisfies Record<string, ChatTemplate>;

/** A tokenizer, and the template to use with it. */
export interface ChatEncoding {
  /** The ids of `text`; `special` says whether spellings of special tokens in it mean those tokens. */
  encode(text: string, options: { special: boolean }): ArrayLike<number>;
  /** `chatTemplates.plain` when absent. */
  readonly template?: ChatTemplate;
}

/** The tokens around every turn of a role. */
export interface TurnMarks {
  readonly begin: readonly number[];
  readonly head: readonly number[];
  readonly stop: number;
  readonly after: readonly number[];
}

const op = "chatTemplate";

/** What the tokenizer gives for a text. @throws CaiError `E_ARGUMENT` when that is no list of token ids. */
export function idsOf(encoding: ChatEncoding, text: string, special: boolean): ArrayLike<number> {
  if (typeof encoding.encode !== "function") {
    refuse(op, `encode must be a function, got ${describe(encoding.encode)}`);
  }
  if (typeof text !== "string") refuse(op, `text must be a string, got ${describe(text)}`);
  const ids = encoding.encode(text, { special });
  checkList(ids, "what encode returns", op);
  for (let i = 0; i < ids.length; i++) if (!isToken(ids[i])) refuseId(ids[i], `id ${i} that encode returns`, op);
  return ids;
}

/** @throws CaiError `E_ARGUMENT` when the tokenizer has not one token for the template's stop. */
export function turnMarks(encoding: ChatEncoding, role: ChatRole): TurnMarks {
  const template: ChatTemplate = encoding.template ?? chatTemplates.plain;
  for (const part of ["begin", "head", "stop", "after"] as const) {
    if (typeof template?.[part] !== "string") refuse(op, `template.${part} must be a string`);
  }
  const { begin, head, after, roles } = template;
  const mark = (text: string) => (text === "" ? [] : Array.from(idsOf(encoding, text, true)));
  const [stop, ...more] = mark(template.stop);
  if (stop === undefined || more.length > 0) {
    const which = `template ${template.name}: expected its stop ${describe(template.stop)} to be one token`;
    const advice = "use a tokenizer that has it, or the template plain";
    refuse(op, `${which}, got ${stop === undefined ? 0 : 1 + more.length}: ${advice}`);
  }
  return { begin: mark(begin), head: mark(head.split("{role}").join(roles?.[role] ?? role)), stop, after: mark(after) };
}
