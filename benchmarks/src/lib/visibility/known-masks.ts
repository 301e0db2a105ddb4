// Random masks of one row or several, with what is known of them beside their arrays.
import { Philox } from "@cai/native";
import { conversationRows, packDocuments, stackRows, VisibilityMask } from "@cai/visibility-mask";
import { depthOf, isOnPath, isWithin, type KnownRow, knownRow, pick } from "./known-rows.js";
import { randomTree } from "./random-trees.js";

export interface KnownMask {
  readonly pattern: string;
  readonly mask: VisibilityMask;
  sees(row: number, query: number, key: number): boolean;
  position(row: number, token: number): number;
}

const single = (random: Philox): KnownMask => {
  const { pattern, mask, sees, position } = knownRow(random);
  return { pattern, mask, sees: (_, i, j) => sees(i, j), position: (_, token) => position(token) };
};

/** Rows one after another in one, and padding. */
function joined(parts: readonly KnownRow[], seqLen: number): Omit<KnownRow, "pattern"> {
  const ends: number[] = [];
  for (const { mask } of parts) ends.push((ends.at(-1) ?? 0) + mask.seqLen);
  const partOf = (token: number) => ends.findIndex((end) => token < end);
  const begin = (part: number) => ends[part - 1] ?? 0;
  return {
    mask: VisibilityMask.concat(
      parts.map(({ mask }) => mask),
      { seqLen },
    ),
    sees(i, j) {
      const part = partOf(i);
      return part >= 0 && part === partOf(j) && (parts[part] as KnownRow).sees(i - begin(part), j - begin(part));
    },
    position(token) {
      const part = partOf(token);
      return part < 0 ? 0 : (parts[part] as KnownRow).position(token - begin(part));
    },
  };
}

const stacked = (random: Philox): KnownMask => {
  const drawn = Array.from({ length: 1 + random.below(3) }, () =>
    Array.from({ length: 1 + random.below(3) }, () => knownRow(random)),
  );
  const lengthOf = (parts: readonly KnownRow[]) => parts.reduce((total, { mask }) => total + mask.seqLen, 0);
  const seqLen = Math.max(...drawn.map(lengthOf)) + random.below(3);
  const rows = drawn.map((parts) => joined(parts, seqLen));
  return {
    pattern: "joined and stacked",
    mask: VisibilityMask.stack(rows.map(({ mask }) => mask)),
    sees: (row, i, j) => (rows[row] as KnownRow).sees(i, j),
    position: (row, token) => (rows[row] as KnownRow).position(token),
  };
};

const documents = (random: Philox): KnownMask => {
  const texts = Array.from({ length: 1 + random.below(12) }, () => new Int32Array(1 + random.below(50)));
  const { mask, documents: places } = packDocuments(texts, { seqLen: 20 + random.below(60) });
  const placeOf = (row: number, token: number) =>
    places.findIndex((place) => place.row === row && token >= place.at && token < place.at + place.length);
  return {
    pattern: "packDocuments",
    mask,
    sees: (row, i, j) => j <= i && placeOf(row, i) >= 0 && placeOf(row, i) === placeOf(row, j),
    position: (row, token) => token - (places[placeOf(row, token)]?.at ?? token),
  };
};

const conversations = (random: Philox): KnownMask => {
  const shape = { turns: 1 + random.below(7), turnTokens: 1 + random.below(6), vocabSize: 5 };
  const trees = Array.from({ length: 1 + random.below(3) }, () => randomTree(random, shape));
  // No conversation is longer than its seven turns of six tokens.
  const merge = pick(["tokens", "turns", "none"] as const, random);
  const rows = conversationRows(trees, { seqLen: 42 + random.below(80), merge });
  const isUsed = (row: number, token: number) => token < (rows[row]?.used ?? 0);
  const parentsOf = (row: number) => rows[row]?.parents ?? [];
  return {
    pattern: "packConversations",
    mask: stackRows(rows).mask,
    sees: (row, i, j) => isUsed(row, i) && isOnPath(parentsOf(row), i, j),
    position: (row, token) => (isUsed(row, token) ? depthOf(parentsOf(row), token) : 0),
  };
};

/** The mask of a number, which is all that it depends on. */
export function knownMask(index: number): KnownMask {
  const random = new Philox(index);
  return pick([single, single, stacked, documents, conversations], random)(random);
}

/** A window about as wide as rows are long. */
export function knownWindow(index: number): number {
  return 1 + new Philox(index, 1).below(30);
}

/** Every cell [B, T, T] by the rule. */
export function bruteForce({ mask: { batchSize, seqLen }, sees, position }: KnownMask, window: number): Uint8Array {
  const dense = new Uint8Array(batchSize * seqLen * seqLen);
  for (let row = 0; row < batchSize; row++) {
    const positions = Array.from({ length: seqLen }, (_, token) => position(row, token));
    for (let i = 0; i < seqLen; i++) {
      for (let j = 0; j < seqLen; j++) {
        const near = isWithin((positions[i] as number) - (positions[j] as number), window);
        if (near && sees(row, i, j)) dense[(row * seqLen + i) * seqLen + j] = 1;
      }
    }
  }
  return dense;
}
