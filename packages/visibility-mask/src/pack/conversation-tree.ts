/** One utterance of a {@link ConversationTree}. */
export interface ConversationTurn {
  readonly tokens: ArrayLike<number>;
  /** Index of the earlier turn that it answers, -1 for a root; the turn before it when absent. */
  readonly parent?: number;
  /** Whether its tokens are to be predicted, all alike or each for itself; all of them when absent. */
  readonly loss?: boolean | ArrayLike<boolean | number>;
}

/** Turns and what each of them answers. A *conversation* is a path from a root to a turn that nothing answers. */
export interface ConversationTree {
  readonly turns: readonly ConversationTurn[];
  /** What each of its conversations counts; 1 when absent. */
  readonly weight?: number;
}
