/// <reference lib="es2024.string" />
import { isUtf8 } from "node:buffer";
import { CaiError } from "@cai/native";

/**
 * `text` with every lone surrogate replaced by U+FFFD: the text that its UTF-8 bytes spell.
 *
 * A JavaScript string can hold half of a surrogate pair, which no UTF-8 can. This is the one rule for it here: whatever
 * is counted, hashed or encoded goes through this function first.
 */
export function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}

/** A copy of a short string that does not keep the string alive which it was cut from, as V8's slices do. */
export function detached(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

/** The position of the first byte that is not part of valid UTF-8, or -1. A sequence cut off at the end is invalid. */
export function invalidUtf8At(bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i);
    if (length === 0) return i;
    i += length;
  }
  return -1;
}

/** The length of the valid sequence at `i` (Unicode 15, table 3-7), or 0. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const lead = bytes[i] as number;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (i + length > bytes.length) return 0;
  const second = bytes[i + 1] as number;
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let k = 2; k < length; k++) {
    if (((bytes[i + k] as number) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** How many bytes at the end begin a sequence that needs more bytes than there are. */
export function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? back : 0;
  }
  return 0;
}

/** Strict UTF-8 from chunks of bytes; a byte-order mark at the very beginning is dropped. */
export class Utf8Reader {
  private held: Uint8Array = new Uint8Array(0);
  private position = 0;

  /** @param source how errors name the file */
  constructor(private readonly source: string) {}

  /** The text of `chunk` and what was held back before it, up to the last whole character. */
  push(chunk: Uint8Array): string {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    const tail = incompleteTail(bytes);
    const whole = bytes.subarray(0, bytes.length - tail);
    this.held = Uint8Array.from(bytes.subarray(bytes.length - tail));
    return this.decode(whole);
  }

  /** @throws CaiError `E_FORMAT` when the bytes end inside a character. */
  end(): void {
    if (this.held.length > 0) this.refuse(this.held, 0);
  }

  private decode(bytes: Uint8Array): string {
    if (!isUtf8(bytes)) this.refuse(bytes, invalidUtf8At(bytes));
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
    const first = this.position === 0;
    this.position += bytes.length;
    return first && text.startsWith("\uFEFF") ? text.slice(1) : text;
  }

  private refuse(bytes: Uint8Array, at: number): never {
    const byte = (bytes[at] as number).toString(16).padStart(2, "0");
    throw new CaiError(
      "E_FORMAT",
      "readDocuments",
      `${this.source}: expected UTF-8, got an invalid or cut-off sequence at byte ${this.position + at} (0x${byte}). ` +
        "Convert the file to UTF-8 first, for example with iconv.",
    );
  }
}
