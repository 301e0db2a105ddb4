export { CaiError, type CaiErrorCode, isCaiError } from "@cai/portable/error";
export {
  type AttentionResult,
  attention,
  attentionBackward,
  attentionDecode,
  attentionForward,
} from "./attention/attention.js";
export { type Backend, backend } from "./attention/backend.js";
export type { AttentionOptions, BackwardOptions, FloatTensor, ZregOptions } from "./attention/options.js";
export { type MaskArrays, type ViewOptions, VisibilityMask } from "./mask.js";
export type { BeamShape } from "./patterns/packed.js";
export type { RowLength } from "./patterns/runs.js";
