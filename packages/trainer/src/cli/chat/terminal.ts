import { createInterface, type Interface } from "node:readline";
import { PassThrough } from "node:stream";
import { styleText } from "node:util";
import type { AnswerEnd } from "../../chat/session.js";
import { exitCodes } from "../exit-codes.js";
import type { ChatPeer } from "./talk.js";
import { WordWrap } from "./word-wrap.js";

const widestLine = 100;
const interruptKey = "\u0003";

/**
 * A person at a terminal. Ctrl-C ends an answer, empties a line that was begun, and at an empty prompt ends the
 * conversation; so does Ctrl-D. What is typed during an answer, or pasted in several lines, waits for the next prompt.
 */
export class TerminalPeer implements ChatPeer {
  /** 130 once Ctrl-C has ended the conversation. */
  exitCode: number = exitCodes.ok;
  readonly #keys = new PassThrough();
  readonly #readline: Interface;
  readonly #wrap = new WordWrap(() => Math.min(widestLine, process.stdout.columns ?? 80));
  #isListening = false;
  #waiting = "";
  #isInterrupted = false;

  constructor() {
    const prompt = `${styled("bold", ">")} `;
    this.#readline = createInterface({ input: this.#keys, output: process.stderr, terminal: true, prompt });
    this.#readline.on("SIGINT", () => this.#interruptPrompt());
    this.#readline.on("SIGCONT", () => process.stdin.setRawMode(true));
  }

  async *messages(): AsyncGenerator<string> {
    const { stdin } = process;
    stdin.setEncoding("utf8");
    stdin.setRawMode(true);
    stdin.on("data", this.#type);
    stdin.once("end", () => this.#readline.close());
    try {
      for (let line = await this.#nextLine(); line !== undefined; line = await this.#nextLine()) yield line;
      process.stderr.write("\n");
    } finally {
      stdin.off("data", this.#type);
      stdin.setRawMode(false);
      stdin.pause();
      this.#readline.close();
    }
  }

  /** Says what comes before the first prompt. */
  greet(text: string): void {
    process.stderr.write(`${styled("dim", text)}\n\n`);
  }

  piece(text: string): void {
    process.stdout.write(this.#wrap.push(text));
  }

  end(end: AnswerEnd | "interrupted"): void {
    process.stdout.write(`${this.#wrap.end()}\n`);
    if (end === "length") this.note("cut at --max-tokens");
    if (end === "context") this.note("cut where the context is full");
    process.stderr.write("\n");
  }

  note(text: string): void {
    process.stderr.write(`${styled("dim", `(${text})`)}\n`);
  }

  refuse(reason: string): void {
    process.stderr.write(`${styled("red", reason)}\n`);
  }

  isInterrupted(): boolean {
    return this.#isInterrupted;
  }

  /** @returns undefined when the conversation is ended. */
  #nextLine(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const end = () => resolve(undefined);
      this.#readline.once("close", end).once("line", (line) => {
        this.#readline.off("close", end);
        resolve(line);
      });
      this.#isInterrupted = false;
      this.#isListening = true;
      this.#readline.prompt();
      const waiting = this.#waiting;
      this.#waiting = "";
      this.#type(waiting);
    });
  }

  readonly #type = (typed: string): void => {
    if (this.#isListening) {
      const [line = "", after = ""] = typed.split(/(?<=\r\n|\r(?!\n)|(?<!\r)\n)(.*)/s);
      this.#isListening = !/[\r\n]$/.test(line);
      this.#keys.write(line);
      if (after !== "") this.#type(after);
    } else if (typed.includes(interruptKey)) {
      this.#isInterrupted = true;
      this.#waiting = "";
    } else this.#waiting += typed;
  };

  #interruptPrompt(): void {
    if (this.#readline.line === "") {
      this.exitCode = exitCodes.interrupted;
      this.#readline.close();
      return;
    }
    this.#readline.write(null, { ctrl: true, name: "e" });
    this.#readline.write(null, { ctrl: true, name: "u" });
  }
}

function styled(style: "bold" | "dim" | "red", text: string): string {
  return process.stderr.hasColors() ? styleText(style, text) : text;
}
