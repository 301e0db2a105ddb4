import { CaiError, philox4x32 } from "@cai/native";
import { z } from "zod";
import { nextCorpus } from "./corpus-mix.js";
import { type Manifest, readManifest, type Split } from "./manifest.js";
import { joinBatches, type MicroBatch } from "./micro-batch.js";
import { openRows, type Packing } from "./rows/open-rows.js";
import { type RowSource, refusal } from "./rows/row-source.js";
import type { TreePacking } from "./rows/tree-groups.js";

export interface BatchLoaderOptions {
  /** A directory that {@link prepareCorpora} wrote. */
  dir: string;
  /** Default `train`. */
  split?: Split;
  /** How often each corpus is drawn, in any unit; one that is not named is left out. Default: by number of tokens. */
  weights?: Readonly<Record<string, number>>;
  /** Default `packed`. */
  packing?: Packing;
  /** Default `merged`. */
  conversations?: TreePacking;
  /** Rows in a batch, from 1. */
  batchSize: number;
  /** Tokens in a row, from 1. */
  seqLen: number;
  /** 0 to 2^53 - 1. */
  seed: number;
  /** Where to go on, as {@link BatchLoader.state} gave it; batchSize may differ. */
  state?: LoaderState;
}

export interface Batch extends MicroBatch {
  /** For each row the corpus that it is from. */
  readonly corpora: readonly string[];
}

const stateVersion = 2;

const loaderStateSchema = z.object({
  version: z.literal(stateVersion),
  fingerprint: z.string(),
  split: z.enum(["train", "val"]),
  seed: z.int(),
  seqLen: z.int(),
  packing: z.enum(["packed", "padded", "stream"]),
  conversations: z.enum(["merged", "separate"]),
  corpora: z.array(
    z.object({
      name: z.string(),
      share: z.number(),
      drawn: z.int().min(0),
      rows: z.record(z.string(), z.int().min(0)),
    }),
  ),
});

/** A loader's position as plain JSON: it grows with the number of corpora only. */
export type LoaderState = z.infer<typeof loaderStateSchema>;

interface Source {
  readonly name: string;
  readonly share: number;
  readonly rows: RowSource;
  drawn: number;
}

/**
 * Endless batches of rows for training, the same for the same options.
 *
 * A corpus gives its rows as {@link Packing} says, or {@link TreePacking} where it is of conversations; corpora are mixed by {@link nextCorpus}. All that is random is a function of
 * seed, corpus and epoch: the state is a few integers.
 */
export class BatchLoader {
  private readonly sources: readonly Source[];
  private readonly manifest: Manifest;

  /**
   * @throws CaiError `E_IO` and `E_FORMAT` as `TokenDataset.open`; `E_ARGUMENT` for a number out of range;
   *   `E_CONFIG` for weights of unknown corpora, a corpus that gives no row, or a state of other data or options
   */
  constructor(private readonly options: BatchLoaderOptions) {
    const { dir, batchSize, seqLen, seed, packing = "packed", conversations = "merged" } = options;
    checkWhole("batchSize", batchSize, 1);
    checkWhole("seqLen", seqLen, 1);
    checkWhole("seed", seed, 0);
    const key = dataKey(seed);
    this.manifest = readManifest(dir);
    const shares = sharesOf(this.manifest, this.split, options.weights);
    const state = options.state && this.checkedState(options.state, shares);
    const sources: Source[] = [];
    this.sources = sources;
    try {
      for (const [number, [name, share]] of shares.entries()) {
        const saved = state?.corpora[number];
        const corpus = { dir, manifest: this.manifest, name, split: this.split, packing, conversations };
        const rows = openRows(corpus, { seqLen, key, number, state: saved?.rows });
        sources.push({ name, share, rows, drawn: saved?.drawn ?? 0 });
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The next batch, in new arrays. */
  next(): Batch {
    const drawn = Array.from({ length: this.options.batchSize }, () => this.draw());
    return { ...joinBatches(drawn.map(({ rows }) => rows.nextRow())), corpora: drawn.map(({ name }) => name) };
  }

  /** Passes over the next batch: as {@link BatchLoader.next}, but no tokens are read. */
  skip(): void {
    for (let row = 0; row < this.options.batchSize; row++) this.draw().rows.skipRow();
  }

  /** The position after the batches given so far, for {@link BatchLoaderOptions.state}. */
  get state(): LoaderState {
    const corpora = this.sources.map(({ name, share, drawn, rows }) => ({ name, share, drawn, rows: rows.state }));
    return { version: stateVersion, ...this.identity, corpora };
  }

  /** Closes the files. */
  close(): void {
    for (const { rows } of this.sources) rows.close();
  }

  private get split(): Split {
    return this.options.split ?? "train";
  }

  /** What a state is valid for. */
  private get identity() {
    const { seed, seqLen, packing = "packed", conversations = "merged" } = this.options;
    return { fingerprint: this.manifest.fingerprint, split: this.split, seed, seqLen, packing, conversations };
  }

  private draw(): Source {
    const shares = this.sources.map(({ share }) => share);
    const drawn = this.sources.map((source) => source.drawn);
    const source = this.sources[nextCorpus(shares, drawn)] as Source;
    source.drawn++;
    return source;
  }

  private checkedState(saved: LoaderState, shares: readonly [string, number][]): LoaderState {
    const { version } = saved as { version?: unknown };
    if (version !== stateVersion) {
      const got = `state: expected version ${stateVersion}, got ${version}`;
      refuse(`${got}: what drew these batches drew others than this version does; begin anew from the weights`);
    }
    const parsed = loaderStateSchema.safeParse(saved);
    if (!parsed.success) refuse(`state: expected a saved loader state, got ${parsed.error.issues[0]?.message}`);
    const state = parsed.data;
    for (const [field, now] of Object.entries(this.identity)) {
      const was = state[field as keyof LoaderState];
      if (was !== now) refuse(`state: it was saved with ${field} ${was}, now it is ${now}: go on with what it was`);
    }
    const text = (pairs: readonly (readonly [string, number])[]) => pairs.map((pair) => pair.join(" ")).join(", ");
    const before = text(state.corpora.map(({ name, share }) => [name, share] as const));
    if (before !== text(shares)) refuse(`state: it was saved with the shares ${before}, now they are ${text(shares)}`);
    return state;
  }
}

/** A key of this module's own, so that its random numbers share nothing with others drawn from the same seed. */
function dataKey(seed: number): [number, number] {
  const words = philox4x32([seed >>> 0, Math.floor(seed / 2 ** 32)], [0x64617461, 0, 0xffffffff, 0xffffffff]);
  return [words[0], words[1]];
}

/** The corpora to draw from with their shares, in the manifest's order. */
function sharesOf(manifest: Manifest, split: Split, weights?: Readonly<Record<string, number>>): [string, number][] {
  const names = manifest.corpora.map(({ name }) => name);
  for (const [name, weight] of Object.entries(weights ?? {})) {
    if (!names.includes(name)) refuse(`weights: expected names of the corpora ${names.join(", ")}, got ${name}`);
    if (!(weight >= 0 && weight < Infinity)) refuse(`weights.${name}: expected a number from 0, got ${weight}`);
  }
  const pairs = manifest.corpora
    .map(({ name, splits }) => [name, weights ? (weights[name] ?? 0) : splits[split].tokens] as [string, number])
    .filter(([, weight]) => weight > 0);
  const sum = pairs.reduce((total, [, weight]) => total + weight, 0);
  if (pairs.length === 0) refuse(`weights: expected a corpus with a weight above 0 and tokens in ${split}, found none`);
  return pairs.map(([name, weight]) => [name, weight / sum]);
}

function checkWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new CaiError("E_ARGUMENT", "BatchLoader", `${name}: expected a whole number from ${least}, got ${value}`);
}

function refuse(message: string): never {
  throw refusal(message);
}
