import { beforeAll, describe, expect, it } from "vitest";
import { cleanBody } from "../src/clean-body.js";
import { type MailThread, mails, mailThreads, type PlainDocument, paragraphs } from "../src/index.js";
import { parseMails, type RawMail } from "../src/parse-mails.js";
import { isPerson, KnownNames, nameWords, wordsOf } from "../src/personal-data.js";

let raw: RawMail[];
let documents: PlainDocument[];
let threads: MailThread[];

beforeAll(async () => {
  [raw, documents, threads] = await Promise.all([parseMails(), mails(), mailThreads()]);
  // Four seconds by itself, much longer where other tests take the processors.
}, 120_000);

/** All texts that are given out. */
const texts = () => [
  ...documents.map(({ text }) => text),
  ...threads.flatMap(({ turns }) => turns.map(({ text }) => text)),
];

describe("mailThreads", () => {
  it("gives trees of mails that answer each other, sides taking turns with the depth", () => {
    expect(threads.length).toBeGreaterThan(500);
    expect(threads.flatMap(({ turns }) => turns).length).toBeGreaterThan(2000);
    let branches = 0;
    for (const { turns } of threads) {
      expect(turns.length).toBeGreaterThan(1);
      turns.forEach(({ role, text, parent }, i) => {
        expect(text).not.toBe("");
        expect(parent).toBeGreaterThanOrEqual(i === 0 ? -1 : 0);
        expect(parent).toBeLessThan(i);
        expect(role).toBe(turns[parent]?.role === "user" ? "assistant" : "user");
      });
      branches += turns.length - 1 - new Set(turns.slice(1).map(({ parent }) => parent)).size;
    }
    expect(branches).toBeGreaterThan(300);
  });
});

describe("mails", () => {
  it("gives nearly every mail once, named by its place in the package", () => {
    expect(documents.length).toBeGreaterThan(0.95 * raw.length);
    expect(new Set(documents.map(({ id }) => id)).size).toBe(documents.length);
    for (const { id } of documents) expect(id).toMatch(/^(easy|hard)-ham-[12]\/\d{5}$/);
  });
});

describe("the personal data of all mails", () => {
  it("is gone: no mail address, link or long telephone number", () => {
    for (const text of texts()) {
      expect(text).not.toMatch(/\S@\S/);
      expect(text).not.toMatch(/(https?|ftp|mailto):\S|\bwww\.\w/i);
      expect(text).not.toMatch(/\+\d{10,}|\b\d{3}-\d{3}-\d{4}\b/);
    }
  });

  it("is gone: no name of several words that a header has", () => {
    const names = raw.flatMap(({ people }) => people).filter((name) => isPerson(name) && nameWords(name).length > 1);
    const known = new Set(names.map((name) => nameWords(name).join(" ")));
    const longest = Math.max(...Array.from(known, (name) => name.split(" ").length));
    for (const text of texts()) {
      // As they are written: "red hat" and the like are no names, "Red Hat" is one where somebody is called so.
      const words = (text.match(/[\p{L}\p{M}]+/gu) ?? []).filter(({ length }) => length >= 2);
      words.forEach((word, i) => {
        if (word === word.toLowerCase()) return;
        for (let count = 2; count <= longest; count++) {
          const some = words.slice(i, i + count);
          const isWritten = some.length === count && some.every((one) => one !== one.toLowerCase());
          if (isWritten && known.has(some.join(" ").toLowerCase())) expect.fail(`${some.join(" ")} in: ${text}`);
        }
      });
    }
  });

  it("is gone: no part of a header's name that is not a word of the language too", () => {
    const people = raw.flatMap((mail) => mail.people);
    const { names, ordinary } = new KnownNames(
      people,
      raw.map(({ text }) => cleanBody(text)),
    );
    expect(names.size).toBeGreaterThan(1000);
    expect(ordinary.size).toBeLessThan(450);
    for (const name of ["justin", "matthias", "eirikur", "hettinga", "garrigues"]) expect(names.has(name)).toBe(true);
    for (const text of texts()) {
      for (const word of wordsOf(text)) if (names.has(word)) expect.fail(`${word} in: ${text}`);
    }
  });

  it("is gone: no part of the names in a mail's own headers, be it a word of the language, with a capital letter", () => {
    const byId = new Map(documents.map(({ id, text }) => [id, text]));
    for (const { id, people } of raw) {
      const own = new Set(people.filter(isPerson).flatMap(nameWords));
      for (const word of byId.get(id)?.match(/[\p{L}\p{M}]+/gu) ?? []) {
        if (word !== word.toLowerCase() && own.has(word.toLowerCase())) expect.fail(`${word} in ${id}`);
      }
    }
  });
});

describe("paragraphs", () => {
  it("gives speeches and novel in pieces of a few sentences", () => {
    const pieces = paragraphs();
    expect(pieces.length).toBeGreaterThan(10_000);
    expect(new Set(pieces.map(({ id }) => id)).size).toBe(pieces.length);
    const characters = pieces.reduce((sum, { text }) => sum + text.length, 0);
    expect(characters).toBeGreaterThan(11e6);
    expect(pieces.every(({ text }) => text === text.trim() && text !== "")).toBe(true);
  });
});
