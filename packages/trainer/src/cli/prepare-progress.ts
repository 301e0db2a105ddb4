import type { PrepareProgressEvent } from "../data/index.js";

const phases: Record<PrepareProgressEvent["phase"], string> = {
  hash: "reading",
  tokenizer: "counting for the tokenizer",
  encode: "encoding",
};

const lineIntervalMs = 2000;

/** One live line on a terminal; elsewhere a plain line at most every two seconds. */
export function prepareProgress(stream: NodeJS.WriteStream = process.stderr) {
  let toldAt = performance.now();
  let drawn = false;
  const update = ({ phase, corpus, bytes }: PrepareProgressEvent): void => {
    const text = `${phases[phase]} ${corpus}: ${(bytes / 1e6).toFixed(1)} MB`;
    if (stream.isTTY) {
      stream.write(`\r\x1b[K${text}`);
      drawn = true;
    } else if (performance.now() - toldAt >= lineIntervalMs) {
      stream.write(`${text}\n`);
      toldAt = performance.now();
    }
  };
  const end = (): void => {
    if (drawn) stream.write("\r\x1b[K");
  };
  return { update, end };
}
