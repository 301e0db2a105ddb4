import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { CaiError } from "@cai/native";

/**
 * A program that answers each JSON line on its standard input with one JSON line, and waits idle in between, so that
 * whoever is measured next has the machine to itself. Its first line says that it is ready.
 */
export class LinePeer<Request, Reply, Ready = unknown> {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #name: string;
  #errors = "";
  readonly ready: Promise<Ready>;

  /** @param environment replaces this process's own, but for PATH and HOME. */
  constructor(name: string, command: string, args: readonly string[], environment: Readonly<Record<string, string>>) {
    const { PATH = "", HOME = "" } = process.env;
    this.#name = name;
    this.#child = spawn(command, args, { env: { PATH, HOME, ...environment } });
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-4000);
    });
    // A failed start and a broken pipe both end the output, which #next reports.
    this.#child.on("error", (error) => {
      this.#errors += error.message;
    });
    this.#child.stdin.on("error", () => {});
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.ready = this.#next<Ready>();
    // Whoever asks later still gets the error; nobody asking is no crash.
    this.ready.catch(() => {});
  }

  async ask(request: Request): Promise<Reply> {
    await this.ready;
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    return await this.#next<Reply>();
  }

  /** Ends the program's input and waits until it is gone. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await gone;
    clearTimeout(timer);
  }

  async #next<Message>(): Promise<Message> {
    const line = await this.#lines.next();
    if (line.done) {
      throw new CaiError(
        "E_IO",
        "bench",
        `${this.#name} ended before it answered:\n${this.#errors.trim() || "no message"}`,
      );
    }
    return JSON.parse(line.value) as Message;
  }
}
