import { CaiError } from "@cai/native";

/** Writes what was asked for to stdout: one JSON value, or text for people. */
export function print(json: boolean | undefined, value: unknown, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text()}\n`);
}

/** Two columns, the first as wide as its widest cell. */
export function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}

/** 1234567 as "1,234,567". */
export function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** An option's parser for numbers, for commander. */
export function numberOption(name: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) {
      throw new CaiError("E_ARGUMENT", name, `expected a number, got ${JSON.stringify(text)}`);
    }
    return value;
  };
}

/** A repeatable option's collector, for commander. */
export function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
