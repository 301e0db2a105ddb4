import { type ChatTree, conversationsFrom, isTreeMessage } from "@cai/visibility-mask";
import { fileText } from "./file-text.js";
import { type InputFile, listInputFiles, type ReadOptions } from "./read-documents.js";
import { lines, parseLine } from "./read-jsonl.js";

/** What conversations are read from. */
export const conversationKinds = ["jsonl"] as const;

/**
 * The conversations of a `.jsonl` or `.jsonl.gz` file, or of a directory of them, a line at a time: each line in one of the forms
 * that `conversationsFrom` of `@cai/visibility-mask` knows.
 *
 * Lines that are single messages with parent ids are gathered into trees: a tree's lines must follow one another, its root
 * first.
 *
 * @throws CaiError as {@link readDocuments}; `E_FORMAT` naming file, line and turn for what is no conversation
 */
export async function* readConversations(
  path: string,
  options: Pick<ReadOptions, "include"> = {},
): AsyncGenerator<ChatTree> {
  for (const file of listInputFiles(path, options, conversationKinds)) yield* readFile(file);
}

async function* readFile({ path }: InputFile): AsyncGenerator<ChatTree> {
  let messages: Fields[] = [];
  let first = 0;
  const gathered = () => (messages.length > 0 ? conversationsFrom(messages, { source: `${path}:${first}` }) : []);
  let line = 0;
  for await (const content of lines(fileText(path, path.endsWith(".gz")))) {
    line++;
    if (content.trim() === "") continue;
    const json = parseLine(content, `${path}:${line}`);
    const isMessage = isTreeMessage(json);
    if (!isMessage || isRoot(json as Fields)) {
      yield* gathered();
      messages = [];
    }
    if (messages.length === 0) first = line;
    if (isMessage) messages.push(json as Fields);
    else yield* conversationsFrom(json, { source: `${path}:${line}` });
  }
  yield* gathered();
}

type Fields = Readonly<Record<string, unknown>>;

function isRoot({ parent_id, parentId }: Fields): boolean {
  return (parent_id ?? parentId ?? "") === "";
}
