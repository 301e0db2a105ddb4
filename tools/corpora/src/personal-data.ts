/** What stands in the place of what was taken out. */
const placeholders = { address: "[address]", link: "[link]", number: "[number]", name: "[name]" };

const word = /[\p{L}\p{M}]+/gu;

/** The words of a text in lower case. */
export function wordsOf(text: string): string[] {
  return Array.from(text.matchAll(word), ([found]) => found.toLowerCase());
}

const noPerson =
  /\b(lists?|users?|groups?|talk|devel|announce|admin|owner|bounces?|daemon|team|newsletter|news|support|subscribers?|leave|mailing|members)\b|\.(com|net|org|ie)\b|\d{3}/i;

/** Words of names of firms and products, and days and months: names of people only where another name stands beside them. */
const noNames = new Set(
  `internet windows red hat sun mac apple oracle english french irish british ireland dublin england germany florida washington
  netscape mozilla freebsd linux dns sql dtd god cnet nnt iii bugtraq labs cert institute bell fox gazette governor jan mar apr
  may jun june jul july aug august sep oct nov dec mon tue wed thu fri sat sunday monday friday april`
    .trim()
    .split(/\s+/),
);

/** A display name without remarks in brackets, and of an address only what stands before the @. */
function bareName(name: string): string {
  return name.replace(/\([^)]*\)/g, "").replace(/@.*$/, "");
}

/** Whether a display name is a person's, as far as can be told, and not that of a list or an office. */
export function isPerson(name: string): boolean {
  return !noPerson.test(bareName(name)) && nameWords(name).length > 0;
}

/** The words of a display name, initials left out. */
export function nameWords(name: string): string[] {
  return wordsOf(bareName(name)).filter(({ length }) => length >= 2);
}

/**
 * Names known from headers.
 *
 * Many are also words of the language (Will, Mark, Long): those are taken for names where they have a capital letter and
 * either someone in the thread has that name or another name stands beside them. All others are names wherever they stand.
 */
export class KnownNames {
  /** Words of names that are no words of the language. */
  readonly names = new Set<string>();
  /** Words of names that are words of the language too. */
  readonly ordinary = new Set<string>();
  /** Words that stand beside each other in names. */
  readonly pairs = new Set<string>();

  /** @param texts in which words of the language are told by being written small often */
  constructor(people: Iterable<string>, texts: Iterable<string>) {
    const counts = new Map<string, { small: number; all: number }>();
    for (const text of texts) {
      for (const [found] of text.matchAll(word)) {
        const lower = found.toLowerCase();
        const count = counts.get(lower) ?? { small: 0, all: 0 };
        counts.set(lower, { small: count.small + Number(found === lower), all: count.all + 1 });
      }
    }
    for (const name of new Set(people)) {
      if (!isPerson(name)) continue;
      const words = nameWords(name);
      for (const part of words) {
        const { small, all } = counts.get(part) ?? { small: 0, all: 0 };
        const isOrdinary = part.length === 2 || noNames.has(part) || (small >= 5 && 4 * small >= all);
        (isOrdinary ? this.ordinary : this.names).add(part);
      }
      for (let i = 1; i < words.length; i++) this.#addPair(words[i - 1] as string, words[i] as string);
    }
  }

  #addPair(one: string, two: string): void {
    if (!noNames.has(one) || !noNames.has(two)) this.pairs.add(`${one} ${two}`);
  }

  /** Puts a placeholder in the place of every name. @param here words of the names of those in the thread */
  hide(text: string, here: ReadonlySet<string>): string {
    const found = Array.from(text.matchAll(word), ({ 0: spelling, index }) => {
      const lower = spelling.toLowerCase();
      const isCapital = spelling !== lower;
      const isOrdinary = isCapital && this.ordinary.has(lower);
      const isName = this.names.has(lower) || (isCapital && here.has(lower));
      return { spelling, lower, isCapital, from: index, to: index + spelling.length, isOrdinary, isName };
    });
    const areBeside = (i: number) => /^[\s.,]{0,3}$/.test(text.slice(found[i]?.to, found[i + 1]?.from));
    for (let i = 0; i + 1 < found.length; i++) {
      const [one, two] = [found[i], found[i + 1]] as [(typeof found)[0], (typeof found)[0]];
      if (!areBeside(i)) continue;
      const isPair = one.isCapital && two.isCapital && this.pairs.has(`${one.lower} ${two.lower}`);
      two.isName ||= isPair || (one.isName && (two.isOrdinary || /^\p{Lu}$/u.test(two.spelling)));
      one.isName ||= isPair || (two.isName && one.isOrdinary);
    }
    let result = "";
    let at = 0;
    found.forEach(({ from, to, isName }, i) => {
      if (!isName) return;
      const isNext = i > 0 && found[i - 1]?.isName && areBeside(i - 1);
      result += isNext ? "" : text.slice(at, from) + placeholders.name;
      at = to;
    });
    return result + text.slice(at);
  }
}

const address = /[^\s<>()[\]"',;:]+@[^\s<>()[\]"',;]+|\S@\S+|\b[\w.-]+ (at|AT) [\w-]+( (dot|DOT) |\.)\w+(\.\w+)*/g;
const link =
  /\b(https?|ftp|mailto|news|irc|file|telnet|gopher):[^\s<>"]+|\bwww\d?\.[^\s<>"]+|\b[\w-]+(\.[\w-]+)+\/[^\s<>"]*/gi;
const numbers = [
  /(\+|\b00)\d[\d\s().-]{6,}\d/g,
  /\(\+?\d{2,5}\)\s?\d[\d -]{4,}\d/g,
  /\b(1[-. ])?\d{3}[-. ]\d{3}[-. ][\dA-Z]{4}\b/g,
  /\b\d{3}-\d{4}\b/g,
  /\b0\d{1,4}[- ]\d{3}[- ]?\d{3,5}\b/g,
  /\b\d{1,3}(\.\d{1,3}){3}\b/g,
  /\b[0-9A-F]{4}(\s{1,3}[0-9A-F]{4}){4,}\b|\b0x[0-9A-F]{8}\b/gi,
  /(?<=\b(tel|telephone|phone|fax|mobile|cell|pager|icq|uin)\b[^\n\d]{0,12})\+?\(?\d[\d\s().-]{5,}\d/gi,
];

const place =
  /\b\d{1,5} (\p{Lu}[\p{L}.]* ){1,3}(Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Square|Way)\b\.?|\b\p{Lu}{2} \d{5}(-\d{4})?\b/gu;

/** Puts placeholders in the place of mail and street addresses, links, and telephone, network and key numbers. */
export function hideAddresses(text: string): string {
  const hidden = text
    .replace(link, placeholders.link)
    .replace(address, placeholders.address)
    .replace(place, placeholders.address);
  return numbers.reduce((rest, pattern) => rest.replace(pattern, placeholders.number), hidden);
}

const greeting =
  /^(hi|hello|hey|hiya|dear|greetings|howdy|good (?:day|morning|evening|afternoon))\b([^\n.!?]{0,40})[,.!:-]*$/i;
const everybody = /^[\s,]*((to )?(all|everyone|everybody|folks|there|list|guys|again|people|gang|ya))?[\s,]*$/i;
const shortName = /^\p{Lu}[\p{L}'-]*( \p{Lu}[\p{L}'.-]*)?$/u;

/** Puts placeholders in greetings and takes names below the text away, whether or not a header has them. */
export function hideGreetings(text: string): string {
  const lines = text.split("\n");
  const [first = ""] = lines;
  const [, hello, whom = ""] = greeting.exec(first) ?? [];
  if (hello !== undefined && !everybody.test(whom)) lines[0] = `${hello} ${placeholders.name},`;
  else if (lines.length > 1 && /[,:-]$/.test(first) && shortName.test(first.slice(0, -1).trim())) {
    lines[0] = `${placeholders.name},`;
  }
  const card = lines.findIndex((line, i) => i > 0 && isNameOnly(line) && lines[i - 1] === "" && isCard(lines.slice(i)));
  if (card > 0) lines.length = card;
  while (lines.length > 1 && isSignedBy(lines.at(-1) ?? "", lines.at(-2) ?? "")) lines.pop();
  return lines.join("\n").trim();
}

const closing =
  /^\W*(thanks|thank you|cheers|regards|greetings|yours|sincerely|bye|later|love|best|kind|warm|slán|ciao)\b.{0,30}$/i;

/** Whether a line is a name, or a name with addresses and numbers. */
function isNameOnly(line: string): boolean {
  const rest = line.replace(/\[(name|address|link|number)\]/g, "");
  return line.includes(placeholders.name) && rest.replace(/[^\p{L}]/gu, "").length <= 3;
}

/** Whether lines are short, as of an office and its place, and no sentences. */
function isCard(lines: readonly string[]): boolean {
  return lines.length <= 9 && lines.every((line) => line.length < 50 && !/[.?!:,]$/.test(line));
}

/** Whether the last line of a mail is its writer's name. */
function isSignedBy(last: string, before: string): boolean {
  const line = last.trim();
  if (line === "" || isNameOnly(line)) return true;
  const name = line.replace(/^[\s\-–—~*;:|/.]+|[\s\-–—~*;:|/.!]+$/g, "");
  if (name.split(/\s+/).length > 3 || /[?!,:()"[\]]/.test(name)) return false;
  const isName = shortName.test(name);
  const isBelow = before.trim() === "" && !/[.!]$/.test(line);
  return (isName && (isBelow || closing.test(before))) || (/^[-–—~*]/.test(line) && name !== "");
}
