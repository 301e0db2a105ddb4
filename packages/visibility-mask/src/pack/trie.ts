import type { Branch, BranchTree, Rules } from "./branches.js";

/** Appends a child; lists are circular, the last child pointing to the first. Node 0 is no child. */
export function append(last: Int32Array, next: Int32Array, parent: number, child: number): void {
  const before = last[parent] as number;
  next[child] = before === 0 ? child : (next[before] as number);
  if (before !== 0) next[before] = child;
  last[parent] = child;
}

/**
 * Conversations of many trees, with a node a token below the root, node 0; what is merged has its nodes once. Parents come
 * before children, and children are in the order in which they came.
 */
export class Trie {
  readonly tokens: Int32Array;
  readonly parents: Int32Array;
  /** Tokens of the path to each node, its own included. */
  readonly depths: Int32Array;
  readonly last: Int32Array;
  readonly next: Int32Array;
  count = 1;
  /** Of nodes with several children, the children by token. */
  readonly #children = new Map<number, Map<number, number>>();
  readonly #turns = new Map<number, Branch>();

  /** @param trees each branch's `live` and `node` are set; those that are not live are left out. */
  constructor(trees: readonly BranchTree[], { merge }: Rules) {
    const most = trees.reduce((sum, tree) => sum + liveTokens(tree), 1);
    const array = () => new Int32Array(most);
    [this.tokens, this.parents, this.depths, this.last, this.next] = [array(), array(), array(), array(), array()];
    let order = 0;
    for (const { branches } of trees) {
      for (const branch of branches) {
        if (!branch.live) continue;
        branch.order = order++;
        branch.node = merge === "turns" ? this.#addTurn(branch) : this.#add(branch, merge === "tokens");
      }
    }
  }

  #add({ tokens, from, to, parent }: Branch, merge: boolean): number {
    let node = parent ? parent.node : 0;
    for (let i = from; i < to; i++) {
      const token = tokens[i] as number;
      node = (merge && this.#child(node, token)) || this.#addChild(node, token, merge);
    }
    return node;
  }

  #addChild(parent: number, token: number, merge: boolean): number {
    const node = this.count++;
    const sibling = this.last[parent] as number;
    this.tokens[node] = token;
    this.parents[node] = parent;
    this.depths[node] = (this.depths[parent] as number) + 1;
    append(this.last, this.next, parent, node);
    if (!merge || sibling === 0) return node;
    let children = this.#children.get(parent);
    if (!children) {
      children = new Map([[this.tokens[sibling] as number, sibling]]);
      this.#children.set(parent, children);
    }
    children.set(token, node);
    return node;
  }

  /** The child of a node by its token, or 0. */
  #child(node: number, token: number): number {
    const last = this.last[node] as number;
    if (last === 0 || this.tokens[last] === token) return last;
    return this.next[last] === last ? 0 : (this.#children.get(node)?.get(token) ?? 0);
  }

  /** Finds the same turn under the same parent, or adds it. */
  #addTurn(branch: Branch): number {
    const { from, to, parent } = branch;
    const start = parent ? parent.node : 0;
    if (from === to) return start;
    const hash = hashOf(branch, start);
    const first = this.#turns.get(hash);
    for (let other = first; other; other = other.twin) {
      if ((other.parent ? other.parent.node : 0) === start && isAlike(other, branch)) return other.node;
    }
    branch.twin = first;
    this.#turns.set(hash, branch);
    return this.#add(branch, false);
  }
}

/** Marks the branches that lead to the end of a conversation. @returns their tokens. */
export function liveTokens({ branches }: BranchTree): number {
  let tokens = 0;
  for (const branch of branches) branch.live = branch.ends >= 0;
  for (let i = branches.length - 1; i >= 0; i--) {
    const { live, parent, from, to } = branches[i] as Branch;
    if (!live) continue;
    tokens += to - from;
    if (parent) parent.live = true;
  }
  return tokens;
}

/** FNV-1a over words, begun with the parent's node. */
function hashOf({ tokens, from, to }: Branch, start: number): number {
  let hash = start ^ 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (tokens[i] as number), 0x01000193);
  return hash;
}

function isAlike(a: Branch, b: Branch): boolean {
  if (a.to - a.from !== b.to - b.from) return false;
  for (let i = a.from, j = b.from; i < a.to; i++, j++) if (a.tokens[i] !== b.tokens[j]) return false;
  return true;
}
