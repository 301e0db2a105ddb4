import { describe, expect, it } from "vitest";
import { cleanBody } from "../src/clean-body.js";
import { hideAddresses, hideGreetings, KnownNames } from "../src/personal-data.js";

describe("cleanBody", () => {
  it.each([
    [
      "quotations and what introduces them",
      "On Monday 5, Ann\nBee wrote:\n> Is it?\n>> No.\n\nYes.\n\n| so?\nSo.",
      "Yes.\n\nSo.",
    ],
    ["the rest of a quoted line that was wrapped", "> a long\nline\n> goes on\nMine.", "Mine."],
    ["a signature", "Mine.\n\n-- \nAnn\nOffice", "Mine."],
    ["a mail below", "Mine.\n\n-----Original Message-----\nFrom: Ann\n\nTheirs.", "Mine."],
    ["a mail below that only headers tell", "Mine.\n\nFrom: Ann\nSent: Monday\n\nTheirs.", "Mine."],
    ["a list's footer", "Mine.\n____________\nSome mailing list\nSome@list", "Mine."],
    ["a footer below a line of dashes", "Mine.\n\n---------\nUnsubscribe at http://x.org\n---------\n", "Mine."],
    [
      "digital signatures",
      "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nMine.\n-----BEGIN PGP SIGNATURE-----\nx",
      "Mine.",
    ],
    ["encoded data and lists of links", `Mine.\n${"A".repeat(100)}\n[1] http://x.org\r\nToo.`, "Mine.\nToo."],
  ])("takes away %s", (_, body, own) => {
    expect(cleanBody(body)).toBe(own);
  });

  it("keeps what is no quotation: comparisons, dashes between paragraphs, colons", () => {
    const body = "As I said:\n\nif a > b then\n\n-----\n\nc < d, in Rome.";
    expect(cleanBody(body)).toBe(body);
  });
});

describe("hideAddresses", () => {
  it.each([
    ["Write to <ann.bee+x@mail.example.org>.", "Write to <[address]>."],
    ["ann@localhost or bee at example dot org", "[address] or [address]"],
    ["See http://x.org/~ann?q=1, www.x.org or x.org/ann", "See [link] [link] or [link]"],
    ["Call +353 (0)1 234 5678 or 617-555-1234", "Call [number] or [number]"],
    ["phone: 5551 2345, host 192.168.1.20", "phone: [number], host [number]"],
    ["44 Any Long Street, Town MA 02131", "[address], Town [address]"],
    ["Key 0xDEADBEEF, 08E0 567C 63CC 5642 DB6D  D490 0F98 D7D3 77EA 3714", "Key [number], [number]"],
    ["In 2002, 3.14 of 1000000 by 2002-08-22 at 10:30", "In 2002, 3.14 of 1000000 by 2002-08-22 at 10:30"],
  ])("hides addresses, links and numbers: %s", (text, hidden) => {
    expect(hideAddresses(text)).toBe(hidden);
  });
});

describe("KnownNames", () => {
  const people = [
    "Will Long",
    "Ann O'Bee",
    "Cee, Dee",
    "Irish Linux Users Group",
    "fred@example.org",
    "Jan Ode (work)",
  ];
  const known = new KnownNames(people, ["will long will long will long will long will long and so on"]);
  const hide = (text: string, ...here: string[]) => known.hide(text, new Set(here));

  it("hides names however they are written, together one placeholder", () => {
    expect(hide("ann said to ANN Bee, and Fred's dee: Ann O. Bee!")).toBe(
      "[name] said to [name], and [name]'s [name]: [name]!",
    );
  });

  it("hides names that are words only with a capital and beside a name, or where such a person writes", () => {
    expect(hide("Will he? Long ago Will Long did, and Ann Long will.")).toBe(
      "Will he? Long ago [name] did, and [name] will.",
    );
    expect(hide("Will he? I will.", "will")).toBe("[name] he? I will.");
    expect(hide("Since Jan 2, Jan Ode")).toBe("Since Jan 2, [name]");
  });

  it("leaves the names of lists and all other words alone", () => {
    expect(hide("An Irish group of Linux users")).toBe("An Irish group of Linux users");
  });
});

describe("hideGreetings", () => {
  it.each([
    ["Hi Zoë,\n\nYes.", "Hi [name],\n\nYes."],
    ["Hi all,\n\nYes.", "Hi all,\n\nYes."],
    ["Zoë,\nYes.", "[name],\nYes."],
    ["Yes.\n\nThanks,\nZoë", "Yes.\n\nThanks,"],
    ["Yes.\n\n  -- zoë", "Yes."],
    ["Yes.\n\n[name]\nHead of Office\nTown", "Yes."],
    ["Yes.\n[name] - [address]", "Yes."],
    ["Nope", "Nope"],
    ["I saw it.\nNot now.", "I saw it.\nNot now."],
  ])("hides whom it is to and from, known or not: %s", (text, hidden) => {
    expect(hideGreetings(text)).toBe(hidden);
  });
});
