export { CaiError, type CaiErrorCode, isCaiError } from "@cai/portable/error";
export { type Backend, backend } from "./attention/backend.js";
export type { AttentionOptions, FloatTensor, ZregOptions } from "./attention/options.js";
export {
  type ChatTree,
  type ChatTurn,
  type ConversationsOptions,
  conversationsFrom,
  isTreeMessage,
} from "./chat/conversations.js";
export type { ChatRole } from "./chat/roles.js";
export { type ChatEncoding, type ChatTemplate, chatTemplates } from "./chat/template.js";
export { type ChatPrompt, chatPrompt, type TokenizeChatOptions, tokenizeChat } from "./chat/tokenize.js";
export { type MaskArrays, type ViewOptions, VisibilityMask } from "./mask.js";
export type { ConversationTree, ConversationTurn } from "./pack/conversation-tree.js";
