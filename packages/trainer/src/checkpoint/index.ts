export { type CheckpointEntry, listCheckpoints, type NewestGood, newestGoodCheckpoint } from "./list.js";
export { checkpointDigest, type LoadedCheckpoint, loadCheckpoint } from "./load.js";
export type { TensorInfo } from "./safetensors-header.js";
export { readSafetensors, SafetensorsFile } from "./safetensors-reader.js";
export { writeSafetensors } from "./safetensors-writer.js";
export { type CheckpointContent, discardCheckpointsAfter, saveCheckpoint, type TensorMap } from "./save.js";
export type { FileDigest } from "./synced-file.js";
