import { allocateAligned, bytesPerElement, type DType, sizeOf, type Tensor, tensorAt } from "@cai/native";

interface Block {
  readonly buffer: ArrayBuffer;
  readonly byteOffset: number;
  readonly bytes: number;
}

const defaultSlabBytes = 32 * 2 ** 20;
const alignment = 64;

/**
 * Memory for the tensors of a step. Released blocks serve the next request of the same size, so that after the first
 * step, whose sizes all later ones repeat, nothing more is allocated. Contents of a new tensor are undefined.
 */
export class Arena {
  readonly #slabBytes: number;
  readonly #free = new Map<number, Block[]>();
  readonly #live = new Map<Tensor, Block>();
  #slab: ArrayBuffer | undefined;
  #slabUsed = 0;
  #reserved = 0;

  /** @param slabBytes taken from the system at a time; a tensor of a quarter of it or more gets memory of its own. */
  constructor(slabBytes = defaultSlabBytes) {
    this.#slabBytes = slabBytes;
  }

  /** Bytes taken from the system so far. */
  get reservedBytes(): number {
    return this.#reserved;
  }

  /** Tensors that are out at the moment. */
  get liveTensors(): number {
    return this.#live.size;
  }

  /** A tensor of `shape` with undefined contents. */
  take(shape: readonly number[]): Tensor<"float32">;
  take<D extends DType>(shape: readonly number[], dtype: D): Tensor<D>;
  take(shape: readonly number[], dtype: DType = "float32"): Tensor {
    const bytes = Math.max(alignment, Math.ceil((sizeOf(shape) * bytesPerElement(dtype)) / alignment) * alignment);
    const block = this.#free.get(bytes)?.pop() ?? this.#allocate(bytes);
    const tensor = tensorAt(dtype, block.buffer, block.byteOffset, shape);
    this.#live.set(tensor, block);
    return tensor;
  }

  /** Gives a tensor that {@link take} returned back; its memory may be handed out again at once. */
  release(tensor: Tensor): void {
    const block = this.#live.get(tensor);
    if (!block) throw new Error("released a tensor that this arena does not hold");
    this.#live.delete(tensor);
    const blocks = this.#free.get(block.bytes);
    if (blocks) blocks.push(block);
    else this.#free.set(block.bytes, [block]);
  }

  /** Gives every tensor back. */
  reset(): void {
    for (const tensor of [...this.#live.keys()]) this.release(tensor);
  }

  #allocate(bytes: number): Block {
    if (bytes >= this.#slabBytes / 4) {
      this.#reserved += bytes;
      return { buffer: allocateAligned(bytes), byteOffset: 0, bytes };
    }
    if (!this.#slab || this.#slabUsed + bytes > this.#slabBytes) {
      this.#slab = allocateAligned(this.#slabBytes);
      this.#slabUsed = 0;
      this.#reserved += this.#slabBytes;
    }
    const block = { buffer: this.#slab, byteOffset: this.#slabUsed, bytes };
    this.#slabUsed += bytes;
    return block;
  }
}
