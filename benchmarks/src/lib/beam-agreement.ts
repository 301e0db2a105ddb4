import { compareBeams, logSoftmax, type PlainBeamOptions, plainBeamSearch, randomInts } from "@cai/test-utils";
import { beamSearch, parseRecipe, type Recipe, Trainer } from "@cai/trainer";
import { Decoder, type Transformer } from "@cai/trainer/parts";
import { VisibilityMask } from "@cai/visibility-mask";

/** Float32 logits err by some 1e-6, and a hypothesis adds up a dozen; decisions closer than this are near ties. */
export const agreementTolerance = 5e-5;

const shape = { hiddenSize: 32, numLayers: 2, numHeads: 4, intermediateSize: 48, maxSeqLen: 48, initStd: 0.3 };
const gpt2 = { family: "gpt2", norm: "layernorm", positions: "learned", activation: "gelu", bias: true };
const llama = { family: "llama", norm: "rmsnorm", positions: "rotary", activation: "relu2", bias: false };

/** Random models that between them have every kind of position, window and head that a cache has to do with. */
export const agreementModels: Readonly<Record<string, object>> = {
  "learned positions": { ...shape, ...gpt2 },
  "rotary, shared key-value heads": { ...shape, ...llama, activation: "silu-gated", numKvHeads: 2 },
  "windows and global layers": { ...shape, ...llama, numKvHeads: 1, window: 5, globalEvery: 2 },
  "QK-norm and soft-caps": { ...shape, ...llama, qkNorm: true, attentionSoftcap: 2, logitSoftcap: 3 },
};

const vocabSize = 67;
const maxTokens = 12;

export interface Agreement {
  readonly searches: number;
  readonly nearTies: number;
  readonly mismatches: number;
}

/**
 * Beam search against its definition ({@link plainBeamSearch}), whose every hypothesis is read from its first token:
 * `prompts` random prompts of 1 to 24 tokens with and without length penalty and end-of-text.
 */
export function beamAgreement(model: object, beams: number, prompts: number): Agreement {
  const trainer = new Trainer(recipeOf(model));
  let [searches, nearTies, mismatches] = [0, 0, 0];
  for (let seed = 1; seed <= prompts; seed++) {
    const prompt = randomInts(1 + ((seed * 7) % 24), vocabSize, seed);
    const logits = fromScratch(trainer.model, prompt);
    for (const lengthPenalty of [0, 0.6, 1.5]) {
      for (const end of [{}, { endOfText: seed % vocabSize }]) {
        const options: PlainBeamOptions = { beams, maxTokens, lengthPenalty, ...end };
        const plain = plainBeamSearch(logits, options);
        const logProbOf = ({ tokens, ended }: { tokens: readonly number[]; ended: boolean }) =>
          [...tokens, ...(ended ? [options.endOfText as number] : [])].reduce(
            (sum, token, i) => sum + (logSoftmax(logits(tokens.slice(0, i)))[token] as number),
            0,
          );
        const actual = beamSearch(trainer.model, prompt, options);
        const outcome = compareBeams(actual, plain, { tolerance: agreementTolerance, logProbOf });
        searches++;
        if (outcome === "near tie") nearTies++;
        if (outcome === "mismatch") mismatches++;
      }
    }
  }
  return { searches, nearTies, mismatches };
}

/** Logits behind `prompt` and tokens, all of them read anew each time they are first asked for. */
function fromScratch(model: Transformer, prompt: Int32Array): (tokens: readonly number[]) => Float32Array {
  const decoder = new Decoder(model, VisibilityMask.causal(model.config.maxSeqLen));
  const known = new Map<string, Float32Array>();
  return (tokens) => {
    const key = tokens.join();
    const found = known.get(key) ?? decoder.readPrompt([...prompt, ...tokens]).data.slice();
    known.set(key, found);
    return found;
  };
}

function recipeOf(model: object): Recipe {
  return parseRecipe({
    name: "beam",
    model: { vocabSize, tieEmbeddings: true, ...model },
    data: { dir: ".", seqLen: 8 },
    batchSize: 1,
    steps: 1,
    optim: { lr: 1e-3 },
    schedule: { kind: "cosine", warmupSteps: 0 },
    evalEvery: 0,
    evalBatches: 0,
    checkpointEvery: 0,
  });
}
