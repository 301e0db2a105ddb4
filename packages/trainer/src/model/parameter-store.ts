import { allocateAligned, type FloatTensor, floatTensor, randomNormal, sizeOf, tensorAt } from "@cai/native";
import type { Parameter } from "../autograd/tape.js";
import type { FlatRange } from "../distributed/held-values.js";

/** A tensor of the model before it has memory. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Standard deviation of the normal initial values, or a constant. */
  readonly init: { readonly normal: number } | { readonly constant: number };
  /** Whether weight decay applies. */
  readonly decay: boolean;
  /** Lies right behind the one before it, without padding, so that both can be read as one stacked tensor. */
  readonly joinsPrevious?: boolean;
}

/** Tensors that lie right behind each other. */
export interface ParameterGroup {
  readonly begin: number;
  readonly end: number;
  readonly decay: boolean;
  readonly names: readonly string[];
}

// Float32 elements in a cache line: each tensor starts on one.
const alignment = 16;

/**
 * All parameters in two flat arrays, values and gradients, so that the optimiser, the gradient norm and the exchange
 * between processes each walk memory once. Decayed tensors come first.
 */
export class ParameterStore {
  readonly values: FloatTensor;
  readonly grads: FloatTensor;
  /** Elements of each flat array, padding between tensors counted. */
  readonly length: number;
  /** Elements of the flat arrays that weight decay applies to: [0, decayedLength). */
  readonly decayedLength: number;
  /** Trained values, padding not counted. */
  readonly numParameters: number;
  readonly specs: readonly ParameterSpec[];
  readonly #offsets = new Map<string, number>();
  readonly #shapes = new Map<string, readonly number[]>();

  /** @param specs in the order of memory, but for decayed ones being moved before the others. */
  constructor(specs: readonly ParameterSpec[]) {
    this.specs = [...specs.filter((spec) => spec.decay), ...specs.filter((spec) => !spec.decay)];
    let length = 0;
    let decayedLength = 0;
    for (const spec of this.specs) {
      if (!spec.joinsPrevious) length = Math.ceil(length / alignment) * alignment;
      this.#offsets.set(spec.name, length);
      this.#shapes.set(spec.name, spec.shape);
      length += sizeOf(spec.shape);
      if (spec.decay) decayedLength = length;
    }
    this.decayedLength = decayedLength;
    this.numParameters = this.specs.reduce((sum, spec) => sum + sizeOf(spec.shape), 0);
    this.length = length;
    const flat = () => tensorAt("float32", allocateAligned(length * 4), 0, [length]);
    this.values = flat();
    this.grads = flat();
  }

  /** Fills the values from `seed`, each tensor as its spec says: tensor number i of {@link specs} draws from stream i. */
  initialise(seed: number): void {
    const values = this.views(this.values);
    this.specs.forEach(({ name, init }, stream) => {
      const value = values.get(name) as FloatTensor;
      if ("constant" in init) value.data.fill(init.constant);
      else randomNormal(value, { seed, stream, std: init.normal });
    });
  }

  /** The parameter called `name`. */
  get(name: string): Parameter {
    return this.#parameter(name, this.#offset(name), this.#shapes.get(name) as readonly number[]);
  }

  /**
   * Parameters that lie next to each other as one, stacked along their first dimension: one product instead of three
   * for queries, keys and values.
   */
  stacked(names: readonly string[]): Parameter {
    const [first = "", ...others] = names;
    const [rows = 0, ...inner] = this.#shapes.get(first) as readonly number[];
    let end = this.#offset(first) + rows * sizeOf(inner);
    let total = rows;
    for (const name of others) {
      const shape = this.#shapes.get(name) as readonly number[];
      if (this.#offset(name) !== end) throw new Error(`${name} does not follow ${first} in memory without a gap`);
      end += sizeOf(shape);
      total += shape[0] as number;
    }
    return this.#parameter(first, this.#offset(first), [total, ...inner]);
  }

  /**
   * The flat memory in pieces that belong together, in rising order and without gaps: tensors that lie right behind each
   * other, with the padding that follows. Each begins at a multiple of 16 elements.
   */
  groups(): ParameterGroup[] {
    const groups: { begin: number; end: number; decay: boolean; names: string[] }[] = [];
    for (const { name, decay, joinsPrevious } of this.specs) {
      const begin = this.#offset(name);
      const last = groups.at(-1);
      if (last) last.end = begin;
      if (joinsPrevious && last) last.names.push(name);
      else groups.push({ begin, end: begin, decay, names: [name] });
    }
    const last = groups.at(-1);
    if (last) last.end = this.length;
    return groups;
  }

  /** One view for each parameter into `flat`, which has the layout of the values. */
  views(flat: FloatTensor): Map<string, FloatTensor> {
    return new Map(this.specs.map(({ name, shape }) => [name, this.#view(flat, this.#offset(name), shape)]));
  }

  /** Where each parameter lies in the flat arrays. */
  places(): { readonly name: string; readonly shape: readonly number[]; readonly range: FlatRange }[] {
    return this.specs.map(({ name, shape }) => {
      const begin = this.#offset(name);
      return { name, shape, range: { begin, end: begin + sizeOf(shape) } };
    });
  }

  #parameter(name: string, offset: number, shape: readonly number[]): Parameter {
    return { name, value: this.#view(this.values, offset, shape), grad: this.#view(this.grads, offset, shape) };
  }

  #view(flat: FloatTensor, offset: number, shape: readonly number[]): FloatTensor {
    return floatTensor(flat.data.subarray(offset, offset + sizeOf(shape)), shape);
  }

  #offset(name: string): number {
    const offset = this.#offsets.get(name);
    if (offset === undefined) throw new Error(`the model has no parameter ${name}`);
    return offset;
  }
}
