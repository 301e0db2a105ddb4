import { createInterface } from "node:readline";
import { CaiError } from "@cai/native";
import type { ChatPeer } from "./talk.js";

/** Messages from a pipe, one a line; each answer is followed by a newline. Notes go to stderr. */
export function linePeer(): ChatPeer {
  return {
    messages: () => createInterface({ input: process.stdin }),
    piece: (text) => void process.stdout.write(text),
    end: () => void process.stdout.write("\n"),
    note: (text) => void process.stderr.write(`(${text})\n`),
    refuse: (reason) => void process.stderr.write(`${reason}\n`),
    isInterrupted: () => false,
  };
}

/**
 * Messages from a pipe as JSON, one a line: a string, or an object with its text as `content`. For each comes one line:
 * `{ content, end, notes? }`, or `{ error }`; for a command `{ notes }`.
 */
export function jsonPeer(): ChatPeer {
  let content = "";
  let notes: string[] = [];
  const write = (value: object) => {
    process.stdout.write(`${JSON.stringify({ ...value, ...(notes.length > 0 && { notes }) })}\n`);
    [content, notes] = ["", []];
  };
  async function* messages(): AsyncGenerator<string> {
    for await (const line of createInterface({ input: process.stdin })) {
      if (line.trim() === "") continue;
      yield messageOf(line);
      if (notes.length > 0) write({});
    }
  }
  return {
    messages,
    piece: (text) => {
      content += text;
    },
    end: (end) => write({ content, end }),
    note: (text) => void notes.push(text),
    refuse: (error) => write({ error }),
    isInterrupted: () => false,
  };
}

function messageOf(line: string): string {
  const value = parse(line);
  const content = typeof value === "object" && value !== null && "content" in value ? value.content : value;
  if (typeof content === "string") return content;
  throw new CaiError("E_ARGUMENT", "chat", `expected {"content": "..."} or a string on each line, got ${line}`);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new CaiError("E_ARGUMENT", "chat", `expected JSON on each line, got ${line}`, { cause });
  }
}
