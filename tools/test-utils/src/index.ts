export { type AllCloseOptions, expectAllClose } from "./all-close.js";
export { backendsOf } from "./backends.js";
export {
  type AttentionInputs,
  attentionInputs,
  type DenseAttention,
  denseBackward,
  denseForward,
  zregPenalty,
} from "./dense-attention.js";
export { finiteDifference } from "./finite-difference.js";
export { type MemoryRank, memoryRanks } from "./memory-ranks.js";
export {
  compareBeams,
  logSoftmax,
  type PlainBeamOptions,
  type PlainBeams,
  type PlainHypothesis,
  plainBeamSearch,
} from "./plain-beam-search.js";
export {
  installedFamilies,
  launcherOf,
  type MpiFamily,
  type RanksEnded,
  type RunRanksOptions,
  runRanks,
} from "./run-ranks.js";
export { randomFloats, randomInts, stridedRows } from "./seeded-data.js";
