import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WordWrap } from "../../src/cli/chat/word-wrap.js";

function wrapped(pieces: readonly string[], width: number): string {
  const wrap = new WordWrap(() => width);
  return pieces.map((piece) => wrap.push(piece)).join("") + wrap.end();
}

describe("WordWrap", () => {
  it("breaks between words, wherever the pieces begin and end", () => {
    expect(wrapped(["Fel", "low cit", "izens of", " the Senate"], 12)).toBe("Fellow\ncitizens of\nthe Senate");
  });

  it("keeps lines and one empty line between paragraphs, and drops white space around the whole", () => {
    expect(wrapped(["\n  A list:\n", "  one\n", "\n\n\ntwo", " \n "], 40)).toBe("A list:\n  one\n\ntwo");
  });

  it("lets no control character through", () => {
    expect(wrapped(["\u001b[31mred\u0007\r", "\ttab"], 40)).toBe("[31mred tab");
  });

  it("makes no line too long but for a single word, and loses no word, whatever comes", () => {
    const text = fc.array(fc.stringMatching(/^[a-z \n]{0,12}$/), { maxLength: 20 });
    fc.assert(
      fc.property(text, fc.integer({ min: 4, max: 20 }), (pieces, width) => {
        const lines = wrapped(pieces, width);
        const words = (of: string) => of.split(/\s+/).filter(Boolean);
        expect(words(lines)).toEqual(words(pieces.join("")));
        for (const line of lines.split("\n")) {
          if (words(line).length > 1 && !line.startsWith(" ")) expect(line.length).toBeLessThanOrEqual(width);
        }
      }),
    );
  });
});
