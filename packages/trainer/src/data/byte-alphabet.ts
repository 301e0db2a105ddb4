/**
 * GPT-2's byte alphabet: a printable character for each of the 256 bytes, so that any bytes can be spelled in JSON.
 *
 * Bytes that are printable in Latin-1 stand for themselves, the other 68 take U+0100 and up, in order.
 * Source: Radford et al. 2019, `bytes_to_unicode` of openai/gpt-2.
 */
export const byteToChar: readonly string[] = makeAlphabet();

const charToByte = new Map(byteToChar.map((char, byte) => [char, byte]));

function makeAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : next++);
  });
}

/** All bytes in the order of their characters: the order of the first 256 ids after the special tokens. */
export const bytesByChar: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte).sort(
  (a, b) => (byteToChar[a] as string).charCodeAt(0) - (byteToChar[b] as string).charCodeAt(0),
);

/** The characters that spell `bytes`. */
export function spellBytes(bytes: Uint8Array): string {
  let spelling = "";
  for (const byte of bytes) spelling += byteToChar[byte];
  return spelling;
}

/** The bytes that `spelling` stands for, or undefined when a character is not of the alphabet. */
export function unspellBytes(spelling: string): Uint8Array | undefined {
  const bytes = new Uint8Array(spelling.length);
  for (let i = 0; i < spelling.length; i++) {
    const byte = charToByte.get(spelling.charAt(i));
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
