import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCaiError } from "@cai/native";
import type { ChatTree } from "@cai/visibility-mask";
import { afterAll, expect } from "vitest";
import { type Prepared, type PrepareOptions, prepareCorpora, type TextDocument } from "../../src/data/index.js";

/** A folder of this test file's own, removed afterwards. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "cai-data-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs `action` and checks that it throws a CaiError with the code and all the given parts in its message. */
export async function expectCaiError(action: () => unknown, code: string, ...parts: string[]): Promise<void> {
  let error: unknown;
  try {
    await action();
  } catch (thrown) {
    error = thrown;
  }
  if (!isCaiError(error)) throw new Error(`expected a CaiError ${code}, got ${String(error)}`);
  expect(error.code).toBe(code);
  for (const part of parts) expect(error.message).toContain(part);
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** GPT-2's pre-tokenisation, written out independently of the source. */
export const gpt2Pattern =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const syllables =
  "the wha le sea of ship an d was to it cap tain har poon sa id con gress na tion year’s é tat 42 — wind".split(" ");

const made = new Map<string, TextDocument[]>();

/** `count` different documents of made-up prose, the same for the same seed; some end in a line break. */
export function makeDocuments(count: number, seed = 1): TextDocument[] {
  const key = `${count} ${seed}`;
  const documents = made.get(key) ?? makeAnew(count, seed);
  made.set(key, documents);
  return [...documents];
}

function makeAnew(count: number, seed: number): TextDocument[] {
  let state = seed * 2654435761;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  // Of two draws the lower: some words are frequent, most are not.
  const syllable = () => syllables[Math.min(next(syllables.length), next(syllables.length))];
  const word = () => Array.from({ length: 1 + next(3) }, syllable).join("");
  return Array.from({ length: count }, (_, i) => {
    const text = Array.from({ length: 10 + next(100) }, word).join(" ");
    return { id: String(i), text: `${seed}.${i} ${text}.${next(4) === 0 ? "\n" : ""}` };
  });
}

/** Trees of one to eleven turns of all shapes, every other turn the assistant's. */
export function makeTrees(count: number, characters = 90): ChatTree[] {
  const texts = makeDocuments(count + 12, 3).map(({ text }) => text.slice(0, characters));
  return Array.from({ length: count }, (_, number) => ({
    turns: Array.from({ length: 1 + ((number * 7) % 11) }, (_, i) => {
      const parent = i === 0 ? -1 : (number * i) % i;
      return { role: i % 2 === 0 ? "user" : "assistant", text: texts[number + i] as string, parent };
    }),
  }));
}

/** Two small prepared corpora, `one` three times the size of `two`. */
export function prepareSmall(outDir: string, options: Partial<PrepareOptions> = {}): Promise<Prepared> {
  const corpora = [
    { name: "one", documents: () => makeDocuments(60, 1) },
    { name: "two", documents: () => makeDocuments(20, 2) },
  ];
  return prepareCorpora({ corpora, outDir, vocabSize: 320, valFraction: 0.2, ...options });
}
