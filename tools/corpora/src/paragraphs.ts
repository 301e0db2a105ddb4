import { datasetFiles } from "./dataset-files.js";

/** A unit of text, as the trainer's `prepareCorpora` takes it. */
export interface PlainDocument {
  readonly id: string;
  readonly text: string;
}

/**
 * The paragraphs of presidents' speeches and of Moby Dick, each a document. The speeches come without paragraphs: there every
 * five sentences are taken for one. Files without an underscore repeat whole books.
 */
export function paragraphs(): PlainDocument[] {
  const files = ["sotu", "moby-dick"].flatMap((dataset) => datasetFiles(dataset, ".", /_.*\.txt$/));
  return files.flatMap(({ name, bytes }) => {
    const parts = new TextDecoder()
      .decode(bytes)
      .trim()
      .split(/\r?\n[\t ]*\r?\n\s*/);
    const texts = parts.length > 1 ? parts : fiveSentences(parts[0] ?? "");
    return texts.filter((text) => text !== "").map((text, i) => ({ id: `${name}:${i}`, text }));
  });
}

function fiveSentences(text: string): string[] {
  const sentences = text.split(/(?<=[.!?]["”']?)\s+(?=["“]?[A-Z])/);
  const count = Math.ceil(sentences.length / 5);
  return Array.from({ length: count }, (_, i) => sentences.slice(5 * i, 5 * i + 5).join(" "));
}
