export { canonicalJson } from "./canonical-json.js";
export { listCheckpoints, newestGoodCheckpoint } from "./list.js";
export { checkpointDigest, type LoadedCheckpoint, loadCheckpoint } from "./load.js";
export type { StreamedTensor, TensorSource } from "./safetensors-header.js";
export { readSafetensors, SafetensorsFile } from "./safetensors-reader.js";
export { writeSafetensors } from "./safetensors-writer.js";
export { type CheckpointContent, chatFormName, discardCheckpointsAfter, saveCheckpoint } from "./save.js";
