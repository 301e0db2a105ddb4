import { CaiError, philox4x32 } from "@cai/native";
import { z } from "zod";
import { nextCorpus } from "./corpus-mix.js";
import { type Manifest, readManifest, type Split } from "./manifest.js";
import { causalRows, type MicroBatch } from "./micro-batch.js";
import { permuted } from "./permutation.js";
import { TokenDataset } from "./token-dataset.js";

export interface BatchLoaderOptions {
  /** A directory that {@link prepareCorpora} wrote. */
  dir: string;
  /** Default `train`. */
  split?: Split;
  /** How often each corpus is drawn, in any unit; one that is not named is left out. Default: by number of tokens. */
  weights?: Readonly<Record<string, number>>;
  /** Sequences in a batch, from 1. */
  batchSize: number;
  /** Tokens in a sequence, from 1. */
  seqLen: number;
  /** 0 to 2^53 - 1. */
  seed: number;
  /** Where to go on, as {@link BatchLoader.state} gave it; batchSize may differ. */
  state?: LoaderState;
}

export interface Batch extends MicroBatch {
  /** For each row the positions in it at which a document begins, in order. */
  readonly documentStarts: readonly (readonly number[])[];
  /** For each row the corpus that it is from. */
  readonly corpora: readonly string[];
}

const loaderStateSchema = z.object({
  version: z.literal(1),
  fingerprint: z.string(),
  split: z.enum(["train", "val"]),
  seed: z.int(),
  seqLen: z.int(),
  corpora: z.array(
    z.object({
      name: z.string(),
      share: z.number(),
      drawn: z.int().min(0),
      epoch: z.int().min(0),
      index: z.int().min(0),
    }),
  ),
});

/** A loader's position as plain JSON: it grows with the number of corpora only. */
export type LoaderState = z.infer<typeof loaderStateSchema>;

interface Source {
  readonly dataset: TokenDataset;
  readonly share: number;
  drawn: number;
  epoch: number;
  /** Sequences drawn in this epoch. */
  index: number;
}

/**
 * Endless batches of sequences for training, the same for the same options.
 *
 * Each epoch of a corpus lays windows of seqLen + 1 tokens at phase + n · seqLen, the phase drawn anew below seqLen, and
 * takes every one once in an order drawn anew; so documents flow through windows and a token's context differs from
 * epoch to epoch. The target of an end of text is the first token of the next document. Corpora are mixed by
 * {@link nextCorpus}. Order and phases are functions of seed, corpus and epoch: the state is a few integers.
 */
export class BatchLoader {
  private readonly sources: readonly Source[];
  private readonly key: readonly [number, number];
  private readonly manifest: Manifest;
  private readonly window: Int32Array;

  /**
   * @throws CaiError `E_IO` and `E_FORMAT` as {@link TokenDataset.open}; `E_ARGUMENT` for a number out of range;
   *   `E_CONFIG` for weights of unknown corpora, a corpus shorter than a window, or a state of other data or options
   */
  constructor(private readonly options: BatchLoaderOptions) {
    const { dir, batchSize, seqLen, seed, state } = options;
    checkWhole("batchSize", batchSize, 1);
    checkWhole("seqLen", seqLen, 1);
    checkWhole("seed", seed, 0);
    this.key = dataKey(seed);
    this.manifest = readManifest(dir);
    this.window = new Int32Array(seqLen + 1);
    const shares = sharesOf(this.manifest, this.split, options.weights);
    const sources: Source[] = [];
    this.sources = sources;
    try {
      for (const [name, share] of shares) {
        const dataset = TokenDataset.open(dir, name, this.split, this.manifest);
        sources.push({ dataset, share, drawn: 0, epoch: 0, index: 0 });
        checkLongEnough(dataset, seqLen);
      }
      if (state) this.restore(state);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The next batch, in new arrays. */
  next(): Batch {
    const { batchSize, seqLen } = this.options;
    const tokens = new Int32Array(batchSize * seqLen);
    const targets = new Int32Array(batchSize * seqLen);
    const documentStarts: number[][] = [];
    const corpora: string[] = [];
    for (let row = 0; row < batchSize; row++) {
      const { dataset, start } = this.draw();
      dataset.read(start, seqLen + 1, this.window);
      tokens.set(this.window.subarray(0, seqLen), row * seqLen);
      targets.set(this.window.subarray(1), row * seqLen);
      documentStarts.push(dataset.documentStarts(start, seqLen).map((position) => position - start));
      corpora.push(dataset.corpus);
    }
    const { length } = targets;
    const mask = causalRows(batchSize, seqLen);
    return { tokens, mask, targets, lossTokens: length, lossWeight: length, documentStarts, corpora };
  }

  /** Passes over the next batch: as {@link BatchLoader.next}, but nothing is read. */
  skip(): void {
    for (let row = 0; row < this.options.batchSize; row++) this.draw();
  }

  /** The position after the batches given so far, for {@link BatchLoaderOptions.state}. */
  get state(): LoaderState {
    const corpora = this.sources.map(({ dataset, share, drawn, epoch, index }) => {
      return { name: dataset.corpus, share, drawn, epoch, index };
    });
    const { seed, seqLen } = this.options;
    return { version: 1, fingerprint: this.manifest.fingerprint, split: this.split, seed, seqLen, corpora };
  }

  /** Closes the files. */
  close(): void {
    for (const { dataset } of this.sources) dataset.close();
  }

  private get split(): Split {
    return this.options.split ?? "train";
  }

  private draw(): { dataset: TokenDataset; start: number } {
    const shares = this.sources.map(({ share }) => share);
    const drawn = this.sources.map((source) => source.drawn);
    const number = nextCorpus(shares, drawn);
    const source = this.sources[number] as Source;
    const { phase, windows } = this.layout(number, source.epoch);
    const window = permuted(source.index, windows, this.key, [number, source.epoch]);
    source.drawn++;
    source.index++;
    if (source.index === windows) {
      source.epoch++;
      source.index = 0;
    }
    return { dataset: source.dataset, start: phase + window * this.options.seqLen };
  }

  /** Where the first window of an epoch begins, and how many there are. */
  private layout(number: number, epoch: number): { phase: number; windows: number } {
    const { seqLen } = this.options;
    const { tokens } = (this.sources[number] as Source).dataset;
    // The permutation's counters have a round's number, which is small, in the second word.
    const [random] = philox4x32(this.key, [0, 0xffffffff, number, epoch]);
    const phase = random % Math.min(seqLen, tokens - seqLen);
    return { phase, windows: Math.floor((tokens - 1 - phase) / seqLen) };
  }

  private restore(saved: LoaderState): void {
    const parsed = loaderStateSchema.safeParse(saved);
    if (!parsed.success) refuse(`state: expected a saved loader state, got ${parsed.error.issues[0]?.message}`);
    const state = parsed.data;
    const now = this.state;
    for (const field of ["fingerprint", "split", "seed", "seqLen"] as const) {
      if (state[field] !== now[field]) {
        refuse(`state: it was saved with ${field} ${state[field]}, now it is ${now[field]}: go on with what it was`);
      }
    }
    const shares = (corpora: LoaderState["corpora"]) => corpora.map(({ name, share }) => `${name} ${share}`).join(", ");
    if (shares(state.corpora) !== shares(now.corpora)) {
      refuse(`state: it was saved with the shares ${shares(state.corpora)}, now they are ${shares(now.corpora)}`);
    }
    state.corpora.forEach(({ name, drawn, epoch, index }, i) => {
      const { windows } = this.layout(i, epoch);
      if (index >= windows)
        refuse(`state: corpus ${name} has ${windows} sequences in epoch ${epoch}, got index ${index}`);
      Object.assign(this.sources[i] as Source, { drawn, epoch, index });
    });
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

function checkLongEnough(dataset: TokenDataset, seqLen: number): void {
  if (dataset.tokens > seqLen) return;
  refuse(
    `corpus ${dataset.corpus}: expected more than seqLen (${seqLen}) tokens in ${dataset.split}, got ${dataset.tokens}: ` +
      "lower seqLen, or give the corpus the weight 0",
  );
}

function checkWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new CaiError("E_ARGUMENT", "BatchLoader", `${name}: expected a whole number from ${least}, got ${value}`);
}

function refuse(message: string): never {
  throw new CaiError("E_CONFIG", "BatchLoader", message);
}
