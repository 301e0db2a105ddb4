import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomically } from "./data/atomic-file.js";
import { type Baselines, bigramBaselines, evalBatches, readManifest, Tokenizer } from "./data/index.js";
import { ledByRankZero } from "./distributed/rank-zero.js";
import { evaluate } from "./evaluate.js";
import { generateTokens } from "./generate/generate.js";
import type { RunSummary } from "./metrics/index.js";
import type { Trainer } from "./trainer.js";

const sampleTokens = 160;
const sampleTemperature = 0.8;

type Figures = Pick<RunSummary, "sample" | "valLoss" | "bitsPerByte" | "baselines">;

/**
 * What a finished run is judged by: the whole validation split, what simpler models make of it, and a text; the last
 * two on the first rank only, while the others wait for it.
 */
export async function finalFigures(trainer: Trainer): Promise<Figures> {
  const { data, distributed } = trainer.recipe;
  const { totals, corpora } = readManifest(data.dir);
  const validation = totals.val.tokens > 0 ? validationFigures(trainer) : {};
  // What is learned of conversations is not all of their text: there is nothing to hold a bigram model against.
  const isText = corpora.every(({ kind }) => kind === "text");
  const alone = await ledByRankZero(trainer.communicator, distributed, ({ alive }) => ({
    ...(isText && totals.val.tokens > 0 && { baselines: baselines(data.dir, alive) }),
    sample: sample(trainer, alive),
  }));
  return { ...validation, ...alone };
}

function validationFigures(trainer: Trainer): Pick<Figures, "valLoss" | "bitsPerByte"> {
  const { recipe, communicator } = trainer;
  const { data, batchSize } = recipe;
  const ours = evalBatches({ dir: data.dir, seqLen: data.seqLen, batchSize, share: communicator });
  const { loss, bitsPerByte } = evaluate(trainer, ours);
  return { valLoss: loss, bitsPerByte };
}

function baselines(dir: string, alive: () => void): NonNullable<Figures["baselines"]> {
  const { tokenBigram, byteBigram } = cachedBaselines(dir, alive);
  return [
    { name: "interpolated token bigram", bitsPerByte: tokenBigram.bitsPerByte, valLoss: tokenBigram.natsPerToken },
    { name: "byte bigram", bitsPerByte: byteBigram.bitsPerByte },
  ];
}

/** Computed once for a prepared directory and kept beside it. */
function cachedBaselines(dir: string, alive: () => void): Baselines {
  const { fingerprint } = readManifest(dir);
  const path = join(dir, `baselines-${fingerprint.slice(0, 12)}.json`);
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as Baselines;
  const baselines = bigramBaselines(dir, alive);
  writeFileAtomically(path, `${JSON.stringify(baselines, null, 2)}\n`);
  return baselines;
}

function sample({ model, recipe }: Trainer, alive: () => void): { prompt: string; text: string } {
  const tokenizer = Tokenizer.load(join(recipe.data.dir, "tokenizer.json"));
  const { endOfText } = tokenizer;
  const options = { maxTokens: sampleTokens, temperature: sampleTemperature, endOfText };
  const ids: number[] = [];
  for (const id of generateTokens(model, [endOfText], options)) {
    ids.push(id);
    alive();
  }
  return { prompt: "", text: tokenizer.decode(ids) };
}
