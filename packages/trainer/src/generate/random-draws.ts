import { philox4x32 } from "@cai/native";

// Keeps these draws apart from every other use of the same seed.
const stream = 0x67656e65;

/** Uniform numbers in [0, 1) for sampling text: draw n of a seed is always the same. */
export class RandomDraws {
  readonly #seed: readonly [number, number];
  #drawn = 0;

  constructor(seed: number) {
    this.#seed = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
  }

  next(): number {
    const [word] = philox4x32([this.#drawn++, 0, stream, 0], this.#seed);
    return (word as number) / 2 ** 32;
  }
}
