import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomically } from "./data/atomic-file.js";
import { type Baselines, bigramBaselines, evalBatches, readManifest, Tokenizer } from "./data/index.js";
import { evaluate } from "./evaluate.js";
import { generateTokens } from "./generate/generate.js";
import type { RunSummary } from "./metrics/index.js";
import type { Trainer } from "./trainer.js";

const sampleTokens = 160;
const sampleTemperature = 0.8;

/** What a finished run is judged by: the whole validation split, what simpler models make of it, and a text. */
export function finalFigures(trainer: Trainer): Pick<RunSummary, "sample" | "valLoss" | "bitsPerByte" | "baselines"> {
  const hasValidation = readManifest(trainer.recipe.data.dir).totals.val.tokens > 0;
  return { ...(hasValidation && validationFigures(trainer)), sample: sample(trainer) };
}

function validationFigures(trainer: Trainer): Pick<RunSummary, "valLoss" | "bitsPerByte" | "baselines"> {
  const { data, batchSize } = trainer.recipe;
  const { loss, bitsPerByte } = evaluate(trainer, evalBatches({ dir: data.dir, seqLen: data.seqLen, batchSize }));
  const { tokenBigram, byteBigram } = cachedBaselines(data.dir);
  return {
    valLoss: loss,
    bitsPerByte,
    baselines: [
      { name: "interpolated token bigram", bitsPerByte: tokenBigram.bitsPerByte, valLoss: tokenBigram.natsPerToken },
      { name: "byte bigram", bitsPerByte: byteBigram.bitsPerByte },
    ],
  };
}

/** Computed once for a prepared directory and kept beside it. */
function cachedBaselines(dir: string): Baselines {
  const { fingerprint } = readManifest(dir);
  const path = join(dir, `baselines-${fingerprint.slice(0, 12)}.json`);
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as Baselines;
  const baselines = bigramBaselines(dir);
  writeFileAtomically(path, `${JSON.stringify(baselines, null, 2)}\n`);
  return baselines;
}

function sample({ model, recipe }: Trainer): { prompt: string; text: string } {
  const tokenizer = Tokenizer.load(join(recipe.data.dir, "tokenizer.json"));
  const { endOfText } = tokenizer;
  const options = { maxTokens: sampleTokens, temperature: sampleTemperature, endOfText };
  return { prompt: "", text: tokenizer.decode([...generateTokens(model, [endOfText], options)]) };
}
