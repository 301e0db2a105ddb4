// Random conversation trees, and the conversations that they stand for.
import type { Philox } from "@cai/native";
import type { ConversationTree } from "@cai/visibility-mask";

export interface TreeShape {
  readonly turns: number;
  /** Tokens of a turn at most. */
  readonly turnTokens: number;
  readonly vocabSize: number;
}

/** Turns that answer any earlier one, so that trees branch at every depth; about half of the turns are to be predicted. */
export function randomTree(random: Philox, { turns, turnTokens, vocabSize }: TreeShape): ConversationTree {
  return {
    turns: Array.from({ length: turns }, (_, i) => ({
      tokens: Array.from({ length: 1 + random.below(turnTokens) }, () => random.below(vocabSize)),
      parent: i === 0 ? -1 : random.below(i),
      loss: i === 1 || random.below(2) === 0,
    })),
    weight: 1 + random.below(3),
  };
}

/** One path from a root to a turn that nothing answers, as it would be alone. */
export interface Conversation {
  readonly tokens: readonly number[];
  /** Of each token, whether it is to be predicted; the first can't be. */
  readonly loss: readonly boolean[];
  readonly weight: number;
}

export function conversationsOf({ turns, weight = 1 }: ConversationTree): Conversation[] {
  const parentOf = (turn: number) => turns[turn]?.parent ?? turn - 1;
  const answered = new Set(turns.map((_, turn) => parentOf(turn)));
  const leaves = turns.flatMap((_, turn) => (answered.has(turn) ? [] : [turn]));
  return leaves.map((leaf) => {
    const path: number[] = [];
    for (let turn = leaf; turn >= 0; turn = parentOf(turn)) path.unshift(turn);
    const tokens = path.flatMap((turn) => Array.from(turns[turn]?.tokens ?? []));
    const loss = path.flatMap((turn) => Array.from(turns[turn]?.tokens ?? [], () => turns[turn]?.loss !== false));
    return { tokens, loss: loss.map((wanted, i) => wanted && i > 0), weight };
  });
}
