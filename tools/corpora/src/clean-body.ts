/**
 * What a mail's writer has written: without quotations and the lines that introduce them, forwarded mails, signatures, footers
 * of mailing lists and providers, and the parts of digital signatures.
 */
export function cleanBody(text: string): string {
  const lines = text
    .replace(/\r\n?/g, "\n")
    .replace(/[\u00a0\t]/g, " ")
    .replace(/^-----BEGIN PGP SIGNED MESSAGE-----\n(Hash: .*\n)?/m, "")
    .split("\n")
    .map((line) => line.trimEnd());
  const own = withoutQuotations(withoutFooters(lines.slice(0, ownEnd(lines))));
  return own
    .filter((line) => !isNoise(line))
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

const endings = [
  /^--\s*$/,
  /^-----BEGIN PGP SIGNATURE-----$/,
  /^[\s>*]*-+ ?(original|forwarded|begin forwarded) message\b/i,
  /^[\s>*]*begin forwarded message\b/i,
  /^-+ ?yahoo! groups sponsor/i,
  /^_{8,}$/,
  /^this sf\.net email is sponsored by/i,
  /^do you yahoo!\?/i,
  /^- --\s*$/,
  /^\s*https?:\/\/\S*\/listinfo\//,
];
const headerLine = /^\s*\*?(from|sent|date|to|cc|subject|reply-to|organization):/i;

/** Where something begins that ends the writer's own words: a signature, a mail below, a footer. */
function ownEnd(lines: readonly string[]): number {
  const end = lines.findIndex((line, i) => {
    const isHeader = /^\s*from:/i.test(line) && lines.slice(i + 1, i + 4).some((next) => headerLine.test(next));
    return isHeader || endings.some((ending) => ending.test(line));
  });
  return end < 0 ? lines.length : end;
}

const footer = /mailing list|unsubscri|subscri|sponsor|mailman|listinfo|yahoo|hotmail|msn|sf\.net|https?:|www\.|@/i;

/** Takes away what stands below a line of dashes and its like, near the end, when it reads like a footer. */
function withoutFooters(lines: readonly string[]): readonly string[] {
  const least = Math.max(0, lines.length - 16);
  for (let i = lines.length - 1; i >= least; i--) {
    if (!/^\s*[-_=*~#+]{5,}\s*$/.test(lines[i] as string)) continue;
    const below = lines.slice(i + 1).join("\n");
    if (below.trim() === "" || footer.test(below)) return withoutFooters(lines.slice(0, i));
  }
  return lines;
}

const quotation = /^\s{0,3}([A-Za-z]{0,4}>|\|\s)/;
const introduction =
  /\b(wrote|writes|said|says|mentioned|typed|stated|spake|schrieb|babbled|scribbled|recently|uttered)\b|@|^On .*\d/i;

function withoutQuotations(lines: readonly string[]): string[] {
  const kept: string[] = [];
  lines.forEach((line, i) => {
    if (!quotation.test(line)) {
      // The rest of a quoted line that was wrapped.
      const isRest = quotation.test(lines[i - 1] ?? "") && quotation.test(lines[i + 1] ?? "") && line.length < 30;
      if (!isRest || line === "") kept.push(line);
    } else if (!quotation.test(lines[i - 1] ?? "")) dropIntroduction(kept);
  });
  return kept;
}

/** Takes away the last lines when they introduce a quotation: up to three, the last with a colon at its end. */
function dropIntroduction(kept: string[]): void {
  let end = kept.length;
  while (end > 0 && kept[end - 1] === "") end--;
  let begin = end;
  while (begin > 0 && end - begin < 3 && kept[begin - 1] !== "") begin--;
  const text = kept.slice(begin, end).join(" ");
  if (/:\s*$/.test(text) && introduction.test(text)) kept.length = begin;
}

/** Encoded data, and lists of links. */
function isNoise(line: string): boolean {
  return (
    /^\S{90,}$/.test(line) || /^\s*[[(]?\d+[\])]?\s*(https?|ftp):\S*\s*$/.test(line) || /^(URL|Date): \S/.test(line)
  );
}
