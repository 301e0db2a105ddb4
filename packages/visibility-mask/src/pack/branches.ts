import { checkList, checkWhole, describe } from "@cai/portable/arguments";
import { refuse } from "../refuse.js";
import { isToken, refuseId } from "./check.js";
import type { ConversationTree, ConversationTurn } from "./conversation-tree.js";
import type { ConversationOptions } from "./conversations.js";

/** Tokens `from` to `to` of a turn: a whole turn, or what of it lies between two cuts. */
export interface Branch {
  readonly tokens: ArrayLike<number>;
  readonly from: number;
  readonly to: number;
  readonly parent: Branch | undefined;
  loss: Loss;
  /** What the conversations that end with it weigh together; -1 when none does. */
  ends: number;
  /** Whether a conversation ends with it or behind it. */
  live: boolean;
  /** The node of its last token in the trie, or its parent's where it has no tokens. */
  node: number;
  /** Where it stands among the branches of the trie; parents come before children. */
  order: number;
  /** Another branch that ends at the same node. */
  twin: Branch | undefined;
  /** While weights are summed: what the conversations through it weigh; -1 when it is not among them. */
  sum: number;
}

type Loss = NonNullable<ConversationTurn["loss"]>;

/** A tree ready to be packed, all its weights resolved. */
export interface BranchTree {
  readonly branches: readonly Branch[];
  readonly conversations: number;
  /** Conversations that are too long and dropped. */
  readonly leftOut: number;
  /** Tokens of all conversations, each for itself. */
  readonly separateTokens: number;
}

export type Rules = Required<ConversationOptions>;

/** A turn with what holds for the path that ends with it. */
interface Step {
  readonly turn: ConversationTurn;
  readonly parent: number;
  readonly loss: Loss;
  /** Tokens that are kept of the turn, and of the path to its end. */
  readonly length: number;
  readonly depth: number;
  /** Summed loss of the path's predicted tokens. */
  readonly lossSum: number;
  isLeaf: boolean;
  /** What the conversations through it weigh together; -1 for none. */
  weight: number;
}

/**
 * Checks a tree, gives its conversations their weights and applies the rule for those longer than a row.
 *
 * @throws CaiError `E_ARGUMENT` naming the turn or token of `name` that is wrong.
 */
export function branchesOf(tree: ConversationTree, name: string, rules: Rules, op: string): BranchTree {
  if (typeof tree !== "object" || tree === null) fail(name, "an object with turns", tree, op);
  checkList(tree.turns, `the turns of ${name}`, op);
  const { weight = 1 } = tree;
  if (!isAmount(weight)) fail(`the weight of ${name}`, "a finite number from 0", weight, op);
  const steps: Step[] = [];
  for (let index = 0; index < tree.turns.length; index++) {
    steps.push(stepOf(tree.turns[index] as ConversationTurn, index, steps, `turn ${index} of ${name}`, rules, op));
  }
  const counts = { conversations: 0, leftOut: 0, separateTokens: 0 };
  for (let index = steps.length - 1; index >= 0; index--) {
    const step = steps[index] as Step;
    if (step.isLeaf) {
      if (rules.tooLong === "drop" && step.depth > rules.seqLen) counts.leftOut++;
      else {
        counts.conversations++;
        counts.separateTokens += step.depth;
        step.weight = rules.weighting !== "conversation" ? weight : step.lossSum > 0 ? weight / step.lossSum : 0;
      }
    }
    const parent = steps[step.parent];
    if (parent && step.weight >= 0) parent.weight = join(parent.weight, step.weight, rules);
  }
  return { branches: cutSteps(steps, rules), ...counts };
}

function stepOf(
  turn: ConversationTurn,
  index: number,
  steps: readonly Step[],
  name: string,
  { tooLong, seqLen }: Rules,
  op: string,
): Step {
  if (typeof turn !== "object" || turn === null) fail(name, "an object with tokens", turn, op);
  const { tokens, parent = index - 1, loss = true } = turn;
  checkList(tokens, `the tokens of ${name}`, op);
  checkWhole(parent, `the parent of ${name}, an earlier turn or -1 for none,`, -1, index - 1, op);
  checkLoss(loss, tokens.length, name, op);
  for (let i = 0; i < tokens.length; i++) if (!isToken(tokens[i])) refuseId(tokens[i], `token ${i} of ${name}`, op);
  const before = steps[parent];
  if (before) before.isLeaf = false;
  const begin = before?.depth ?? 0;
  const length = tooLong === "truncate" ? Math.min(tokens.length, seqLen - begin) : tokens.length;
  const depth = begin + length;
  if (tooLong === "error" && depth > seqLen) {
    refuse(op, `${name} ends its path at ${depth} tokens, beyond seqLen ${seqLen}: shorten it, or set tooLong`);
  }
  // Nothing predicts the first token of a conversation.
  const lossSum = (before?.lossSum ?? 0) + sumOf(loss, begin === 0 ? 1 : 0, length);
  return { turn, parent, loss, length, depth, lossSum, isLeaf: true, weight: -1 };
}

/** Branches of turns; those longer than a row in pieces, each behind a branch of the tokens that it repeats. */
function cutSteps(steps: readonly Step[], rules: Rules): Branch[] {
  const { seqLen, overlap, tooLong } = rules;
  const branches: Branch[] = [];
  const contexts = new Map<Branch, Branch>();
  const tails: Branch[] = [];
  const add = (branch: Branch) => branches[branches.push(branch) - 1] as Branch;
  for (const { turn, parent, loss, length, depth, isLeaf, weight } of steps) {
    let tail = tails[parent];
    let from = 0;
    do {
      const room = tooLong === "cut" ? roomAt(depth - length + from, rules) : length;
      if (room === 0 && tail && from < length) {
        tail.ends = join(tail.ends, weight, rules);
        const context = contexts.get(tail) ?? add(newBranch(endOf(tail, overlap), 0, overlap, undefined, false));
        contexts.set(tail, context);
        tail = context;
      }
      const to = Math.min(length, from + (room || seqLen - overlap));
      tail = add(newBranch(turn.tokens, from, to, tail, loss));
      from = to;
    } while (from < length);
    tails.push(tail);
    if (isLeaf && weight >= 0) tail.ends = join(tail.ends, weight, rules);
  }
  return branches;
}

/** Tokens up to the next cut of a path of `depth` tokens; 0 where the next token begins a piece. */
function roomAt(depth: number, { seqLen, overlap }: Rules): number {
  const fresh = seqLen - overlap;
  return depth < seqLen ? seqLen - depth : (fresh - ((depth - seqLen) % fresh)) % fresh;
}

function newBranch(
  tokens: ArrayLike<number>,
  from: number,
  to: number,
  parent: Branch | undefined,
  loss: Loss,
): Branch {
  return { tokens, from, to, parent, loss, ends: -1, live: false, node: 0, order: 0, twin: undefined, sum: -1 };
}

/** The last `count` tokens of the path that ends with a branch. */
function endOf(branch: Branch, count: number): Int32Array {
  const tokens = new Int32Array(count);
  for (let at: Branch | undefined = branch; at && count > 0; at = at.parent) {
    for (let i = at.to - 1; i >= at.from && count > 0; i--) tokens[--count] = at.tokens[i] as number;
  }
  return tokens;
}

/** What two weights of the same token come to; -1 stands for none. */
export function join(a: number, b: number, { weighting }: Rules): number {
  return a < 0 || b < 0 || weighting === "sharedOnce" ? Math.max(a, b) : a + b;
}

/** What the loss of token `i` of a turn is multiplied by. */
export function lossAt(loss: Loss, i: number): number {
  return typeof loss === "boolean" ? Number(loss) : Number(loss[i]);
}

function sumOf(loss: Loss, from: number, to: number): number {
  if (typeof loss === "boolean") return loss ? Math.max(0, to - from) : 0;
  let sum = 0;
  for (let i = from; i < to; i++) sum += lossAt(loss, i);
  return sum;
}

function isAmount(value: unknown): boolean {
  return Number.isFinite(value) && (value as number) >= 0;
}

function checkLoss(loss: Loss, length: number, name: string, op: string): void {
  if (typeof loss === "boolean") return;
  checkList(loss, `the loss of ${name}`, op);
  if (loss.length !== length) fail(`the loss of ${name}`, `one for each of ${length} tokens`, loss.length, op);
  for (let i = 0; i < length; i++) {
    if (typeof loss[i] === "boolean" || isAmount(loss[i])) continue;
    fail(`the loss of token ${i} of ${name}`, "true, false or a finite number from 0", loss[i], op);
  }
}

function fail(name: string, expected: string, value: unknown, op: string): never {
  refuse(op, `${name} must be ${expected}, got ${describe(value)}`);
}
