import { setImmediate as nextTurn } from "node:timers/promises";
import { isCaiError } from "@cai/native";
import type { AnswerEnd, ChatSession } from "../../chat/session.js";

/** Where messages come from and answers go. */
export interface ChatPeer {
  /** What the user says, a message at a time, until they end it. */
  messages(): AsyncIterable<string>;
  /** A part of the answer to the latest message, as soon as it is there. */
  piece(text: string): void;
  /** The answer is whole. */
  end(end: AnswerEnd | "interrupted"): void;
  /** Something to know that is no part of the conversation. */
  note(text: string): void;
  /** A message that could not be taken. */
  refuse(reason: string): void;
  /** Whether the answer is to end here; asked after every piece. */
  isInterrupted(): boolean;
}

const help = "/reset begins a new conversation, /quit or Ctrl-D ends, Ctrl-C stops an answer";

/** Answers every message until the peer has no more, or says /quit. */
export async function talk(session: ChatSession, peer: ChatPeer): Promise<void> {
  for await (const message of peer.messages()) {
    const text = message.trim();
    if (text === "") continue;
    if (text === "/quit") return;
    if (text.startsWith("/")) {
      command(text, session, peer);
      continue;
    }
    try {
      const { dropped } = session.say(text);
      if (dropped > 0) peer.note(droppedText(dropped));
    } catch (error) {
      if (!isCaiError(error)) throw error;
      peer.refuse(error.message);
      continue;
    }
    peer.end(await answer(session, peer));
  }
}

function command(text: string, session: ChatSession, peer: ChatPeer): void {
  if (text === "/reset") {
    session.reset();
    peer.note("a new conversation");
  } else if (text === "/help") peer.note(help);
  else peer.refuse(`there is no command ${text}: ${help}`);
}

async function answer(session: ChatSession, peer: ChatPeer): Promise<AnswerEnd | "interrupted"> {
  const pieces = session.answer();
  for (let next = pieces.next(); ; next = pieces.next()) {
    if (next.done) return next.value;
    peer.piece(next.value);
    // Lets signals and keys through.
    await nextTurn();
    if (peer.isInterrupted()) {
      pieces.return("stop");
      return "interrupted";
    }
  }
}

function droppedText(dropped: number): string {
  const what = dropped === 1 ? "the oldest exchange was" : `the ${dropped} oldest exchanges were`;
  return `the context is full: ${what} dropped`;
}
