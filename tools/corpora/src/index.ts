export { type MailThread, type MailTurn, mails, mailThreads } from "./mails.js";
export { type PlainDocument, paragraphs } from "./paragraphs.js";
