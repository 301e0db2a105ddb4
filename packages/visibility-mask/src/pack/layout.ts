import { BestFit } from "./best-fit.js";
import type { Trie } from "./trie.js";

/** Subtrees that go into one row with the paths to them: a list of their topmost nodes, linked by `next` of the layout. */
export interface Run {
  /** Tokens in the row. */
  readonly length: number;
  readonly first: number;
  readonly last: number;
}

export interface Layout {
  readonly rows: readonly Run[];
  /** int32 [nodes]. */
  readonly next: Int32Array;
}

/**
 * Distributes a trie over rows, every path in it at most `seqLen` tokens long, and every leaf in exactly one row.
 *
 * From the leaves up: a subtree that fits into a row with the path to it stays whole. Where one doesn't, those below its node
 * are packed by best fit decreasing into what the path leaves of a row, which gives runs that each repeat the path; a run
 * that has room left is packed again with its neighbours further up. At the root that makes the rows.
 */
export function layOut({ parents, depths, last, next: siblings, count }: Trie, seqLen: number): Layout {
  const sizes = new Int32Array(count).fill(1);
  for (let node = count - 1; node > 0; node--) {
    const parent = parents[node] as number;
    sizes[parent] = (sizes[parent] as number) + (sizes[node] as number);
  }
  const fits = (node: number) => (depths[node] as number) - 1 + (sizes[node] as number) <= seqLen;
  const next = new Int32Array(count);
  const bestFit = new BestFit(seqLen);
  /** The runs of subtrees that don't fit, until they are packed at the parent. */
  const open = new Map<number, Run[]>();
  const runsOf = (node: number) => {
    const runs: Run[] = [];
    const end = last[node] as number;
    for (let child = end; ; ) {
      child = siblings[child] as number;
      if (fits(child))
        runs.push({ length: (depths[node] as number) + (sizes[child] as number), first: child, last: child });
      else for (const run of open.get(child) as Run[]) runs.push(run);
      open.delete(child);
      if (child === end) return runs;
    }
  };
  const packed = (runs: readonly Run[], depth: number) => {
    const lengths = Int32Array.from(runs, ({ length }) => length - depth);
    return bestFit.pack(lengths, seqLen - depth).map((bin) =>
      joinRuns(
        bin.map((item) => runs[item] as Run),
        depth,
        next,
      ),
    );
  };
  for (let node = count - 1; node > 0; node--) {
    if (fits(node)) continue;
    const only = last[node] as number;
    const below = open.get(only);
    // Nothing new comes in along a path: its runs are handed on.
    if (siblings[only] === only && below) {
      open.delete(only);
      open.set(node, below);
    } else open.set(node, packed(runsOf(node), depths[node] as number));
  }
  return { rows: count > 1 ? packed(runsOf(0), 0) : [], next };
}

function joinRuns([head, ...others]: readonly Run[], depth: number, next: Int32Array): Run {
  let run = head as Run;
  for (const other of others) {
    next[run.last] = other.first;
    run = { length: run.length + other.length - depth, first: run.first, last: other.last };
  }
  return run;
}
