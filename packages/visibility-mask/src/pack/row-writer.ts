import { type Branch, type BranchTree, join, lossAt, type Rules } from "./branches.js";
import { type Layout, layOut, type Run } from "./layout.js";
import type { PackedArrays } from "./rows.js";
import { append, Trie } from "./trie.js";

/** Conversations merged and distributed over rows, which it writes one by one, each once. */
export class RowWriter {
  readonly rows: readonly Run[];
  readonly #trie: Trie;
  /** The next sibling of nodes within the row; before that, the next subtree of its run. */
  readonly #next: Layout["next"];
  /** The last child within the row of nodes that are only in part in it; 0 for all others. */
  readonly #last: Int32Array;
  /** 1 and the index in `#branches` of a branch with which conversations end at each node; 0 for none. */
  readonly #ending: Int32Array;
  readonly #branches: Branch[] = [];
  /** What the token of each node weighs in the row. */
  readonly #weights: Float64Array;

  constructor(
    trees: readonly BranchTree[],
    private readonly rules: Rules,
  ) {
    const trie = new Trie(trees, rules);
    this.#trie = trie;
    ({ rows: this.rows, next: this.#next } = layOut(trie, rules.seqLen));
    this.#last = new Int32Array(trie.count);
    this.#ending = new Int32Array(trie.count);
    this.#weights = new Float64Array(trie.count);
    for (const { branches } of trees) for (const branch of branches) if (branch.ends >= 0) this.#addEnd(branch);
    if (rules.weighting === "sharedOnce") this.#weigh(this.#branches);
  }

  #addEnd(branch: Branch): void {
    const { node } = branch;
    branch.twin = this.#branches[(this.#ending[node] as number) - 1];
    this.#ending[node] = this.#branches.push(branch);
  }

  /**
   * Writes a row depth-first, and takes its conversations as done. What several rows repeat is in each as context; every
   * conversation counts in one of them, and so do its tokens.
   */
  write({ first, last }: Run, row: PackedArrays): void {
    this.#linkPaths(first, last);
    const { nodes, branches } = this.#place(row);
    if (this.rules.weighting !== "sharedOnce") this.#weigh(branches);
    for (let at = 0; at < nodes.length; at++) {
      const node = nodes[at] as number;
      if (row.parents[at] !== -1) row.weights[at] = this.#weights[node] as number;
      this.#weights[node] = 0;
    }
    for (const branch of branches) branch.ends = -1;
  }

  /** Links the paths from the root to the subtrees of a run. */
  #linkPaths(first: number, last: number): void {
    const { parents } = this.#trie;
    for (let top = first, following: number; ; top = following) {
      following = this.#next[top] as number;
      for (let node = top; node !== 0; ) {
        const parent = parents[node] as number;
        const isKnown = this.#last[parent] !== 0;
        append(this.#last, this.#next, parent, node);
        if (isKnown) break;
        node = parent;
      }
      if (top === last) return;
    }
  }

  /** All of a row but its weights. @returns its nodes, and the branches whose conversations end in it and in no row before. */
  #place(row: PackedArrays): { nodes: Int32Array; branches: Branch[] } {
    const { tokens, depths, parents, last, next } = this.#trie;
    const nodes = new Int32Array(row.tokens.length);
    /** Where the tokens of the path to the node are in the row, by depth. */
    const path = new Int32Array(row.tokens.length + 1).fill(-1);
    const branches: Branch[] = [];
    let at = 0;
    const enter = (node: number) => {
      const depth = depths[node] as number;
      nodes[at] = node;
      row.tokens[at] = tokens[node] as number;
      row.start[at] = at;
      row.positions[at] = depth - 1;
      row.parents[at] = path[depth - 1] as number;
      path[depth] = at++;
      for (let b = this.#branches[(this.#ending[node] as number) - 1]; b; b = b.twin) if (b.ends >= 0) branches.push(b);
      return node;
    };
    for (let node = 0; ; ) {
      const part = this.#last[node] as number;
      const whole = last[node] as number;
      if (part !== 0 || whole !== 0) {
        node = enter((part !== 0 ? this.#next[part] : next[whole]) as number);
        continue;
      }
      for (;;) {
        this.#last[node] = 0;
        if (node === 0) return { nodes: nodes.subarray(0, at), branches };
        row.limit[path[depths[node] as number] as number] = at;
        const parent = parents[node] as number;
        const end = this.#last[parent] as number;
        if (node !== (end || last[parent])) {
          node = enter((end !== 0 ? this.#next[node] : next[node]) as number);
          break;
        }
        node = parent;
      }
    }
  }

  /** Adds to the weights of nodes, token by token, what the conversations that end with some branches weigh there. */
  #weigh(ending: readonly Branch[]): void {
    const through: Branch[] = [];
    for (const branch of ending) {
      for (let b: Branch | undefined = branch; b && b.sum < 0; b = b.parent) {
        b.sum = 0;
        through.push(b);
      }
      branch.sum = join(branch.sum, branch.ends, this.rules);
    }
    through.sort((a, b) => b.order - a.order);
    for (const branch of through) {
      const { parent, sum } = branch;
      if (parent) parent.sum = join(parent.sum, sum, this.rules);
      if (sum > 0 && branch.loss !== false) this.#addWeights(branch);
      branch.sum = -1;
    }
  }

  #addWeights({ node, from, to, loss, sum }: Branch): void {
    for (let i = to - 1, n = node; i >= from; i--) {
      this.#weights[n] = join(this.#weights[n] as number, sum * lossAt(loss, i), this.rules);
      n = this.#trie.parents[n] as number;
    }
  }

  /** Where tokens count once over all rows, takes those that have been written out of the loss of a branch. */
  settle(branch: Branch): void {
    const { node, from, to, loss } = branch;
    if (this.rules.weighting !== "sharedOnce" || loss === false) return;
    const left = new Float64Array(to);
    for (let i = to - 1, n = node; i >= from; i--) {
      left[i] = (this.#weights[n] as number) > 0 ? lossAt(loss, i) : 0;
      n = this.#trie.parents[n] as number;
    }
    branch.loss = left;
  }
}
