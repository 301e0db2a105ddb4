/** float32 values from bit patterns. */
export function floatsOf(bits: Iterable<number>): Float32Array {
  return new Float32Array(Uint32Array.from(bits).buffer);
}

/** Bit patterns of float32 values. */
export function bitsOf(values: Iterable<number>): Uint32Array {
  return new Uint32Array(Float32Array.from(values).buffer);
}

/** The float32 `steps` away among positive ones. */
export function neighbour(value: number, steps: number): number {
  return floatsOf([(bitsOf([value])[0] as number) + steps])[0] as number;
}
