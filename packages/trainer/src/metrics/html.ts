/** Markup: text that is already safe in HTML. */
export class Html {
  constructor(readonly markup: string) {}

  toString(): string {
    return this.markup;
  }
}

type Part = Html | string | number | false | undefined | readonly Part[];

/** Tagged template for HTML: every text put in is escaped, markup is not; false and undefined are nothing. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(strings.reduce((text, string, i) => text + render(parts[i - 1]) + string));
}

/** A script element with data in it, for JSON.parse: no content can end the element. */
export function jsonScript(id: string, value: unknown): Html {
  const json = JSON.stringify(value).replaceAll("<", "\\u003c");
  return new Html(`<script type="application/json" id="${id}">${json}</script>`);
}

/** A script element with code of our own or of a dependency. */
export function codeScript(code: string): Html {
  return new Html(`<script>${code.replaceAll(/<\/(script)/gi, "<\\/$1")}</script>`);
}

/** A style element. */
export function styleElement(css: string): Html {
  return new Html(`<style>${css.replaceAll(/<\/(style)/gi, "<\\/$1")}</style>`);
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function render(part: Part): string {
  if (part instanceof Html) return part.markup;
  if (Array.isArray(part)) return part.map(render).join("");
  if (part === undefined || part === false) return "";
  return String(part).replaceAll(/[&<>"']/g, (mark) => entities[mark] ?? "");
}
