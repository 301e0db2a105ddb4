// Random rows of every pattern, each with a rule that says who sees whom from the pattern's definition, not from its arrays.
import type { Philox } from "@cai/native";
import { VisibilityMask } from "@cai/visibility-mask";

export interface KnownRow {
  readonly pattern: string;
  /** Of one row. */
  readonly mask: VisibilityMask;
  sees(query: number, key: number): boolean;
  position(token: number): number;
}

type Draw = (random: Philox) => KnownRow;

const itself = (token: number) => token;

/** Mostly a few dozen tokens; now and then enough for whole tiles to be skipped. */
function length(random: Philox): number {
  return 1 + random.below(random.below(10) === 0 ? 200 : 40);
}

function lengths(random: Philox): number[] {
  return Array.from({ length: 1 + random.below(5) }, () => 1 + random.below(random.below(10) === 0 ? 70 : 16));
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
/** For every token the part that it is in, and its place there. */
const partsOf = (sizes: readonly number[]) => sizes.flatMap((size, part) => Array<number>(size).fill(part));
const offsetsOf = (sizes: readonly number[]) => sizes.flatMap((size) => Array.from({ length: size }, (_, i) => i));

const causal: Draw = (random) => ({
  pattern: "causal",
  mask: VisibilityMask.causal(length(random)),
  sees: (i, j) => j <= i,
  position: itself,
});

const bidirectional: Draw = (random) => ({
  pattern: "bidirectional",
  mask: VisibilityMask.bidirectional(length(random)),
  sees: () => true,
  position: itself,
});

const prefixLm: Draw = (random) => {
  const seqLen = length(random);
  const prefix = random.below(seqLen + 1);
  const mask = VisibilityMask.prefixLm(prefix, seqLen);
  return { pattern: "prefix LM", mask, sees: (i, j) => j < prefix || j <= i, position: itself };
};

const packed: Draw = (random) => {
  const sizes = lengths(random);
  const used = sum(sizes);
  const [part, offset] = [partsOf(sizes), offsetsOf(sizes)];
  return {
    pattern: "packed documents",
    mask: VisibilityMask.packed(sizes, { seqLen: used + random.below(20) }),
    sees: (i, j) => i < used && j <= i && part[i] === part[j],
    position: (token) => offset[token] ?? 0,
  };
};

/** Each token hangs on one of the path to the one before it, or is a root. */
function drawParents(random: Philox): number[] {
  const path: number[] = [];
  return Array.from({ length: length(random) }, (_, i) => {
    // Mostly long turns, sometimes a token each.
    if (random.below(4) === 0) path.length = random.below(path.length + 1);
    const parent = path.at(-1) ?? -1;
    path.push(i);
    return parent;
  });
}

/** Whether `key` is `query` or one of its ancestors. */
export function isOnPath(parents: ArrayLike<number>, query: number, key: number): boolean {
  for (let token = query; token >= 0; token = parents[token] as number) if (token === key) return true;
  return false;
}

export function depthOf(parents: ArrayLike<number>, token: number): number {
  let depth = 0;
  for (let at = parents[token] as number; at >= 0; at = parents[at] as number) depth++;
  return depth;
}

const tree: Draw = (random) => {
  const parents = drawParents(random);
  const mask = VisibilityMask.tree(parents);
  return {
    pattern: "tree",
    mask,
    sees: (i, j) => isOnPath(parents, i, j),
    position: (token) => depthOf(parents, token),
  };
};

/** A prompt and branches behind it. */
function branches(prompt: number, sizes: readonly number[]): Pick<KnownRow, "sees" | "position"> {
  const [part, offset] = [partsOf(sizes), offsetsOf(sizes)];
  return {
    sees: (i, j) => j <= i && (j < prompt || part[i - prompt] === part[j - prompt]),
    position: (token) => (token < prompt ? token : prompt + (offset[token - prompt] as number)),
  };
}

const sharedPrompt: Draw = (random) => {
  const [prompt, answers] = [random.below(40), lengths(random)];
  return { pattern: "shared prompt", mask: VisibilityMask.sharedPrompt(prompt, answers), ...branches(prompt, answers) };
};

const beams: Draw = (random) => {
  const [promptLength, count, each] = [random.below(70), 1 + random.below(5), 1 + random.below(12)];
  const mask = VisibilityMask.beams({ promptLength, beams: count, length: each });
  return { pattern: "beams", mask, ...branches(promptLength, Array<number>(count).fill(each)) };
};

const padding: Draw = (random) => ({
  pattern: "padding",
  mask: VisibilityMask.padding(length(random)),
  sees: () => false,
  position: () => 0,
});

/** A window in the arrays of what does not branch. */
const windowed: Draw = (random) => {
  const inner = pick([causal, bidirectional, prefixLm, packed], random)(random);
  const window = 1 + random.below(20);
  return {
    pattern: "window in the arrays",
    mask: inner.mask.withWindow(window),
    sees: (i, j) => inner.sees(i, j) && isWithin(inner.position(i) - inner.position(j), window),
    position: inner.position,
  };
};

const fromDense: Draw = (random) => {
  const inner = pick([causal, bidirectional, prefixLm, packed, tree, sharedPrompt, beams, windowed], random)(random);
  const { seqLen } = inner.mask;
  const dense = new Uint8Array(seqLen * seqLen).map((_, cell) =>
    Number(inner.sees(Math.floor(cell / seqLen), cell % seqLen)),
  );
  const positions = new Int32Array(seqLen).map((_, token) => inner.position(token));
  const mask = VisibilityMask.fromDense(dense, { seqLen, positions, allowBlind: true });
  return { ...inner, pattern: "from dense", mask };
};

/** Any intervals and positions, queries that see nobody among them: here the arrays are the definition. */
const arrays: Draw = (random) => {
  const seqLen = length(random);
  const [start, limit, positions] = [new Int32Array(seqLen), new Int32Array(seqLen), new Int32Array(seqLen)];
  for (let j = 0; j < seqLen; j++) {
    const ends = [random.below(seqLen + 1), random.below(seqLen + 1)] as const;
    start[j] = Math.min(...ends);
    limit[j] = Math.max(...ends);
    positions[j] = random.below(30);
  }
  return {
    pattern: "any arrays",
    mask: new VisibilityMask({ start, limit, positions, allowBlind: true }),
    sees: (i, j) => (start[j] as number) <= i && i < (limit[j] as number),
    position: (token) => positions[token] as number,
  };
};

const draws = [
  causal,
  bidirectional,
  prefixLm,
  packed,
  tree,
  sharedPrompt,
  beams,
  padding,
  windowed,
  fromDense,
  arrays,
];

export function isWithin(distance: number, window: number): boolean {
  return window === 0 || (distance >= 0 && distance < window);
}

export function pick<Value>(values: readonly Value[], random: Philox): Value {
  return values[random.below(values.length)] as Value;
}

export function knownRow(random: Philox): KnownRow {
  return pick(draws, random)(random);
}
