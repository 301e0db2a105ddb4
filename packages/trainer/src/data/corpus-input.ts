import type { ChatTree } from "@cai/visibility-mask";
import { conversationKinds, readConversations } from "./read-conversations.js";
import {
  type InputFile,
  listInputFiles,
  type ReadOptions,
  readDocuments,
  type TextDocument,
} from "./read-documents.js";

/** A corpus of documents: files, or documents from elsewhere. */
export interface TextInput extends ReadOptions {
  kind?: "text";
  /** Letters, digits, `_`, `.` and `-`; it names files and weights. */
  name: string;
  /** A file or directory for {@link readDocuments}; this or `documents`. */
  path?: string;
  /** Gives all documents anew at each call, in the same order: they are read two or three times. */
  documents?: () => AsyncIterable<TextDocument> | Iterable<TextDocument>;
}

/** A corpus of conversations: files, or conversations from elsewhere. */
export interface ConversationInput extends Pick<ReadOptions, "include"> {
  kind: "conversations";
  /** As of a {@link TextInput}. */
  name: string;
  /** A file or directory for {@link readConversations}; this or `conversations`. */
  path?: string;
  /** Gives all conversations anew at each call, in the same order: they are read two or three times. */
  conversations?: () => AsyncIterable<ChatTree> | Iterable<ChatTree>;
}

/** One corpus to prepare. */
export type CorpusInput = TextInput | ConversationInput;

/** The documents of a corpus from the start. */
export function documentsOf(corpus: TextInput): AsyncIterable<TextDocument> | Iterable<TextDocument> {
  return corpus.documents ? corpus.documents() : readDocuments(corpus.path ?? "", corpus);
}

/** The conversations of a corpus from the start. */
export function conversationsOf(corpus: ConversationInput): AsyncIterable<ChatTree> | Iterable<ChatTree> {
  return corpus.conversations ? corpus.conversations() : readConversations(corpus.path ?? "", corpus);
}

/** Whether a corpus is given by a path, by what is not in files, or wrongly by both or neither. */
export function sourceOf(corpus: CorpusInput): "path" | "memory" | undefined {
  const items = corpus.kind === "conversations" ? corpus.conversations : corpus.documents;
  if ((corpus.path === undefined) === (items === undefined)) return undefined;
  return items ? "memory" : "path";
}

/** The files of a corpus that is given by a path. */
export function filesOf(corpus: CorpusInput): InputFile[] {
  const path = corpus.path ?? "";
  return corpus.kind === "conversations"
    ? listInputFiles(path, corpus, conversationKinds)
    : listInputFiles(path, corpus);
}
