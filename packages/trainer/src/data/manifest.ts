import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CaiError } from "@cai/native";
import type { ChatRole, ChatTemplate } from "@cai/visibility-mask";
import { z } from "zod";
import { writeFileAtomically } from "./atomic-file.js";

export const manifestName = "manifest.json";
export const tokenizerName = "tokenizer.json";

const count = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** A plain file name: a manifest from elsewhere must not lead out of its directory. */
const fileName = z.string().regex(/^[\w.-]+$/);
const writtenFile = z.object({ file: fileName, sha256 });
const totals = z.object({ tokens: count, documents: count, bytes: count });
const textSplit = totals.extend({ shard: writtenFile, index: writtenFile });
const conversationSplit = totals.extend({
  /** Tokens that are to be predicted, each counted once. */
  lossTokens: count,
  shard: writtenFile,
  trees: writtenFile,
  turns: writtenFile,
});
const corpus = z.union([
  z.object({
    name: z.string(),
    kind: z.literal("text").default("text"),
    splits: z.object({ train: textSplit, val: textSplit }),
  }),
  z.object({
    name: z.string(),
    kind: z.literal("conversations"),
    splits: z.object({ train: conversationSplit, val: conversationSplit }),
  }),
]);

const role: z.ZodType<ChatRole> = z.enum(["system", "user", "assistant", "tool"]);
const roleName = z.string().exactOptional();
const template = z.object({
  name: z.string(),
  begin: z.string(),
  head: z.string(),
  stop: z.string(),
  after: z.string(),
  roles: z.object({ system: roleName, user: roleName, assistant: roleName, tool: roleName }).exactOptional(),
}) satisfies z.ZodType<ChatTemplate>;

/** How conversations are spelled, and whose turns are learned. */
export const chatFormSchema = z.object({ template, lossRoles: z.array(role) });
export type ChatForm = z.infer<typeof chatFormSchema>;

const manifestSchema = z.object({
  format: z.literal("cai-prepared"),
  version: z.literal(1),
  /** SHA-256 of all inputs and options: the same for a preparation that would give the same files. */
  fingerprint: sha256,
  tokenizer: z.object({ file: fileName, sha256, vocabSize: z.int().min(1), endOfText: count }),
  options: z.object({ vocabSize: count, valFraction: z.number(), tokenizerSampleBytes: count }),
  /** Absent where there are no conversations. */
  chat: chatFormSchema.exactOptional(),
  corpora: z.array(corpus).min(1),
  totals: z.object({ train: totals, val: totals }),
});

/**
 * What a prepared directory holds. `documents` counts documents or conversation trees, `tokens` ends of text too; `bytes` are
 * the UTF-8 bytes of text.
 */
export type Manifest = z.infer<typeof manifestSchema>;
export type CorpusManifest = Manifest["corpora"][number];
export type CorpusKind = CorpusManifest["kind"];
export type Split = keyof CorpusManifest["splits"];

/**
 * The manifest of a prepared directory.
 *
 * @throws CaiError `E_IO` when there is none, `E_FORMAT` when it is no manifest of this version
 */
export function readManifest(dir: string): Manifest {
  const path = join(dir, manifestName);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new CaiError("E_IO", "manifest", `${path}: could not be read. Run \`cai prepare\` first.`, { cause });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new CaiError("E_FORMAT", "manifest", `${path}: not valid JSON. Run \`cai prepare\` again.`, { cause });
  }
  const result = manifestSchema.safeParse(json);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `  ${issue.path.join(".") || "manifest"}: ${issue.message}`);
  throw new CaiError("E_FORMAT", "manifest", `${path}: no manifest of this version:\n${problems.join("\n")}`);
}

/** Writes the manifest last of all, which makes a preparation valid. */
export function writeManifest(dir: string, manifest: Manifest): void {
  writeFileAtomically(join(dir, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** The entry of one corpus. @throws CaiError `E_ARGUMENT` naming the corpora that there are, or the kind that it is. */
export function corpusOf<Kind extends CorpusKind>(
  manifest: Manifest,
  name: string,
  kind: Kind,
): CorpusManifest & { kind: Kind } {
  const corpus = manifest.corpora.find((entry) => entry.name === name);
  if (corpus?.kind === kind) return corpus as CorpusManifest & { kind: Kind };
  const names = manifest.corpora.map((entry) => entry.name).join(", ");
  const expected = corpus ? `a corpus of ${kind}` : `one of the corpora ${names}`;
  const came = corpus ? `${name}, which is of ${corpus.kind}` : JSON.stringify(name);
  throw new CaiError("E_ARGUMENT", "manifest", `expected ${expected}, got ${came}`);
}
