export { type AnswerEnd, type ChatOptions, ChatSession } from "./chat/session.js";
export {
  type CheckpointContent,
  checkpointDigest,
  type LoadedCheckpoint,
  loadCheckpoint,
  readSafetensors,
  writeSafetensors,
} from "./checkpoint/index.js";
export {
  applyOverrides,
  parseRecipe,
  type Recipe,
  type RecipeInput,
  readRecipeFile,
  resolveRecipe,
} from "./config/index.js";
export {
  type Batch,
  BatchLoader,
  bigramBaselines,
  causalBatch,
  type EvalBatch,
  evalBatches,
  type MicroBatch,
  prepareCorpora,
  readDocuments,
  TokenDataset,
  Tokenizer,
} from "./data/index.js";
export type { ExchangeFigures } from "./distributed/data-parallel.js";
export type { ExchangeState } from "./distributed/exchange-state.js";
export type { FlatRange, HeldValues } from "./distributed/held-values.js";
export { type Evaluation, evaluate } from "./evaluate.js";
export { beamSearch } from "./generate/beam-search.js";
export { generateTokens } from "./generate/generate.js";
export { type Answer, type GenerateOptions, sampleAnswers } from "./generate/sample-answers.js";
export { type SamplingOptions, sampleToken } from "./generate/sampler.js";
export type { BeamSearchOptions, Hypothesis } from "./generate/search-beams.js";
export { type LoadedModel, loadModel } from "./load-model.js";
export { type MetricsRecord, type RunSummary, readMetrics, writeReport } from "./metrics/index.js";
export { recipeByName, recipes } from "./recipes/index.js";
export { type TrainHooks, type TrainJob, train } from "./train.js";
export { type StepResult, Trainer, type TrainerOptions } from "./trainer.js";
export type { TrainEvent } from "./training-events.js";
