import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { randomInts } from "@cai/test-utils";

const program = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command line on `input`; `watch` sees stdout as it grows and may signal the process, once. */
export function cai(
  args: readonly string[],
  watch: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
  input = "",
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: "pipe" });
    child.stdin.end(input);
    let stdout = "";
    let stderr = "";
    let signalled = false;
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      watch(stdout, (signal) => {
        if (!signalled) child.kill(signal);
        signalled = true;
      });
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Texts of made-up words, enough for the recipe `smoke`, one file a document. */
export function writeTexts(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const syllables = ["wha", "le", "oce", "an", "cap", "tain", "sa", "ils", "de", "ep", "sto", "rm"];
  const words = syllables.flatMap((first) => syllables.slice(0, 5).map((second) => first + second));
  for (let file = 0; file < 60; file++) {
    const text = [...randomInts(200, words.length, file)].map((i) => words[i]).join(" ");
    writeFileSync(join(directory, `text-${file}.txt`), `${text}.\n`);
  }
}
