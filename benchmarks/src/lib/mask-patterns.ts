import { type DrawOptions, type Span, VisibilityMask } from "@cai/visibility-mask";

/** A kind of mask as the docs show it. */
export interface MaskPattern {
  /** Also its drawing's file name. */
  readonly name: string;
  readonly title: string;
  /** How it is made, in words of the package. */
  readonly code: string;
  /** Its lines in the table of start and limit. */
  readonly rules: readonly (readonly [token: string, start: string, limit: string])[];
  readonly positions: string;
  readonly use: string;
  readonly mask: VisibilityMask;
  readonly draw?: DrawOptions;
}

interface Turn {
  readonly label: string;
  readonly length: number;
  /** Index of the turn that it answers, -1 for the first. */
  readonly parent: number;
}

/** The parent of each token, and where the turns lie, of turns that are given depth-first. */
function layOut(turns: readonly Turn[]): { parents: number[]; spans: Span[] } {
  const parents: number[] = [];
  const spans: Span[] = [];
  for (const { label, length, parent } of turns) {
    const from = parents.length;
    const before = parent < 0 ? -1 : (spans[parent]?.to ?? 0) - 1;
    for (let i = 0; i < length; i++) parents.push(i === 0 ? before : from + i - 1);
    spans.push({ from, to: from + length, label });
  }
  return { parents, spans };
}

function lengthsToSpans(lengths: readonly number[], names: readonly string[]): Span[] {
  let at = 0;
  return lengths.map((length, i) => {
    at += length;
    return { from: at - length, to: at, label: names[i] ?? "" };
  });
}

/** Conversations that branch here and there, of about 2,000 tokens; the same at every call. */
function longConversations(): { parents: number[]; spans: Span[] } {
  const turns: Turn[] = [];
  const answered = [3, 1, 2, 1, 1, 3, 1, 2];
  const add = (parent: number, depth: number): void => {
    const index =
      turns.push({ label: depth === 0 ? "prompt" : "", length: 40 + ((turns.length * 37) % 61), parent }) - 1;
    const answers = depth < 7 ? (answered[(index + depth) % answered.length] ?? 1) : 0;
    for (let i = 0; i < answers && turns.length < 28; i++) add(index, depth + 1);
  };
  add(-1, 0);
  return layOut(turns);
}

const chat = layOut([
  { label: "system", length: 2, parent: -1 },
  { label: "user", length: 3, parent: 0 },
  { label: "answer 1", length: 4, parent: 1 },
  { label: "answer 2", length: 3, parent: 1 },
  { label: "user again", length: 2, parent: 3 },
  { label: "answer", length: 2, parent: 4 },
]);
const answers = lengthsToSpans([6, 4, 3, 3], ["prompt", "answer 1", "answer 2", "answer 3"]);
const beams = lengthsToSpans([4, 4, 4, 4], ["prompt", "beam 0", "beam 1", "beam 2"]);
const documents = lengthsToSpans([5, 3, 6], ["document 0", "document 1", "document 2"]);
const long = longConversations();

/** Every pattern, in the order of the docs. */
export const maskPatterns: readonly MaskPattern[] = [
  {
    name: "causal",
    title: "Causal document",
    code: "VisibilityMask.causal(16)",
    rules: [["[0, T)", "j", "T"]],
    positions: "the index",
    use: "one text a row: plain language modelling, or scoring a single text.",
    mask: VisibilityMask.causal(16),
  },
  {
    name: "packed",
    title: "Packed documents",
    code: "VisibilityMask.packed([5, 3, 6], { seqLen: 16 })",
    rules: [
      ["of document [a, b)", "j", "b"],
      ["padding", "0", "0"],
    ],
    positions: "from 0 in each document; 0 in padding",
    use: "pretraining on texts of all lengths: rows are full, and no text sees another.",
    mask: VisibilityMask.packed([5, 3, 6], { seqLen: 16 }),
    draw: { spans: [...documents, { from: 14, to: 16, label: "padding" }] },
  },
  {
    name: "bidirectional",
    title: "Bidirectional documents",
    code: "VisibilityMask.concat([VisibilityMask.bidirectional(7), VisibilityMask.bidirectional(9)])",
    rules: [["of document [a, b)", "a", "b"]],
    positions: "from 0 in each document",
    use: "encoders: embeddings, classification, masked language modelling.",
    mask: VisibilityMask.concat([VisibilityMask.bidirectional(7), VisibilityMask.bidirectional(9)]),
    draw: { spans: lengthsToSpans([7, 9], ["document 0", "document 1"]) },
  },
  {
    name: "prefix-lm",
    title: "Prefix LM",
    code: "VisibilityMask.prefixLm(6, 16)",
    rules: [
      ["of the prefix [a, p)", "a", "b"],
      ["after it, to b", "j", "b"],
    ],
    positions: "the index",
    use: "an input that is read both ways and an output that is written after it: translation, summaries.",
    mask: VisibilityMask.prefixLm(6, 16),
    draw: { spans: lengthsToSpans([6, 10], ["prefix", "output"]) },
  },
  {
    name: "tree",
    title: "Conversation tree",
    code: "VisibilityMask.tree(parents)",
    rules: [["any, depth-first", "j", "end of j's subtree"]],
    positions: "depth: each path counts as if it were alone",
    use: "conversations that share turns, learned at once: what they share is computed once.",
    mask: VisibilityMask.tree(chat.parents),
    draw: { spans: chat.spans },
  },
  {
    name: "shared-prompt",
    title: "Shared prompt, many answers",
    code: "VisibilityMask.sharedPrompt(6, [4, 3, 3])",
    rules: [
      ["of the prompt", "j", "T"],
      ["of an answer", "j", "the answer's end"],
    ],
    positions: "every answer goes on from the prompt's",
    use: "sampling or scoring several answers, as in preference learning: the prompt is computed once.",
    mask: VisibilityMask.sharedPrompt(6, [4, 3, 3]),
    draw: { spans: answers },
  },
  {
    name: "beams",
    title: "Beams over one cache",
    code: "VisibilityMask.beams({ promptLength: 4, beams: 3, length: 4 })",
    rules: [
      ["of the prompt", "j", "T"],
      ["slot of a beam", "j", "end of the beam's slots"],
    ],
    positions: "every beam goes on from the prompt's",
    use: "beam search, or parallel sampling, as one batch over one key-value cache.",
    mask: VisibilityMask.beams({ promptLength: 4, beams: 3, length: 4 }),
    draw: { spans: beams },
  },
  {
    name: "window",
    title: "Sliding window",
    code: "VisibilityMask.causal(16).withWindow(5)",
    rules: [["of document [a, b), window w", "j", "min(j + w, b)"]],
    positions: "the index",
    use: "layers that look at near tokens alone. It goes into the arrays where nothing branches.",
    mask: VisibilityMask.causal(16).withWindow(5),
  },
  {
    name: "window-on-tree",
    title: "Sliding window on a tree",
    code: "VisibilityMask.tree(parents).toSvg({ window: 5 })",
    rules: [["any, depth-first", "j", "end of j's subtree"]],
    positions: "depth: of the keys above, those with 0 ≤ positions[i] − positions[j] < w are seen",
    use: "windows on trees, prompts and beams, where they are no interval: arrays stay, and attention takes the window.",
    mask: VisibilityMask.tree(chat.parents),
    draw: { spans: chat.spans, window: 5 },
  },
  {
    name: "padding",
    title: "Padding",
    code: "VisibilityMask.concat([VisibilityMask.causal(10)], { seqLen: 16 })",
    rules: [["padding", "0", "0"]],
    positions: "0",
    use: "what is left of a row. It sees nobody: output 0, logsumexp −∞, gradient 0.",
    mask: VisibilityMask.concat([VisibilityMask.causal(10)], { seqLen: 16 }),
    draw: { spans: [{ from: 10, to: 16, label: "padding" }] },
  },
  {
    name: "long",
    title: "All of it at 2,048 tokens",
    code: "VisibilityMask.concat([VisibilityMask.tree(parents)], { seqLen: 2048 })",
    rules: [["any, depth-first", "j", "end of j's subtree"]],
    positions: "depth",
    use: "a row as training sees it: a prompt, its conversations, and padding. Every cell is a block of tokens.",
    mask: VisibilityMask.concat([VisibilityMask.tree(long.parents)], { seqLen: 2048 }),
    draw: { title: "Conversations of 28 turns in a row of 2,048 tokens" },
  },
];

/** What is drawn for a pattern. */
export function drawPattern({ mask, title, draw }: MaskPattern): string {
  return mask.toSvg({ title, ...draw });
}

/** The patterns as sections of a page whose drawings lie in `folder`. */
export function describePatterns(folder: string): string {
  return maskPatterns
    .map(({ name, title, code, rules, positions, use }) =>
      [
        `### ${title}`,
        `\`${code}\``,
        ["| token j | start[j] | limit[j] |", "|---|---|---|", ...rules.map((rule) => `| ${rule.join(" | ")} |`)].join(
          "\n",
        ),
        `Positions: ${positions}. When: ${use}`,
        `![${title}](${folder}/${name}.svg)`,
      ].join("\n\n"),
    )
    .join("\n\n");
}
