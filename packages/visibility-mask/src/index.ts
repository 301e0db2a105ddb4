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
export type { BlockOptions, Blocks } from "./blocks.js";
export {
  type ChatTree,
  type ChatTurn,
  type ConversationsOptions,
  conversationsFrom,
  isTreeMessage,
} from "./chat/conversations.js";
export { type ChatRole, chatRoles } from "./chat/roles.js";
export { type ChatEncoding, type ChatTemplate, chatTemplates } from "./chat/template.js";
export { type ChatPrompt, chatPrompt, type TokenizeChatOptions, tokenizeChat } from "./chat/tokenize.js";
export type { CuSeqlens } from "./convert/cu-seqlens.js";
export type { AdditiveOptions, DenseShape } from "./convert/dense.js";
export type { FlashMask } from "./convert/flash-mask.js";
export type { DrawOptions, Span } from "./draw/grid.js";
export { type MaskArrays, type ViewOptions, VisibilityMask } from "./mask.js";
export { bestFit, bestFitDecreasing } from "./pack/best-fit.js";
export type { ConversationTree, ConversationTurn } from "./pack/conversation-tree.js";
export {
  type ConversationOptions,
  conversationRows,
  type PackedConversations,
  packConversations,
} from "./pack/conversations.js";
export { type CutOptions, cutDocument, type Piece } from "./pack/cut.js";
export { type DocumentOptions, type DocumentPlace, type PackedDocuments, packDocuments } from "./pack/documents.js";
export { type PackedArrays, type PackedBatch, type PackedRow, stackRows } from "./pack/rows.js";
export { packStream, type StreamOptions } from "./pack/stream.js";
export type { BeamShape } from "./patterns/packed.js";
export type { RowLength } from "./patterns/runs.js";
