import { join } from "node:path";
import { mailThreads } from "@cai/corpora";
import { Tokenizer } from "@cai/trainer";
import { packConversations, tokenizeChat } from "@cai/visibility-mask";

/** What merging the conversations of mail threads into trees saves, in rows of `seqLen`. */
export async function threadSavings(tokenizerDir: string, seqLen: number) {
  const tokenizer = Tokenizer.load(join(tokenizerDir, "tokenizer.json"));
  const encode = (text: string, { special }: { special: boolean }) => tokenizer.encode(text, { special });
  const trees = (await mailThreads()).map((thread) => tokenizeChat(thread, { encode }));
  const { conversations, separateTokens, used, batchSize } = packConversations(trees, { seqLen });
  return {
    threads: trees.length,
    conversations,
    separateTokens,
    mergedTokens: used,
    tokensSaved: 1 - used / separateTokens,
    rows: batchSize,
    usedShare: used / (batchSize * seqLen),
  };
}
