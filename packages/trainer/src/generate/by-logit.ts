/**
 * Token ids in descending order of their logits, the lower id first among equals, as many as are asked for: a heap, so that the
 * first few of a large vocabulary need no sort of it.
 */
export function* byLogit(logits: Float32Array): Generator<number, void, void> {
  const heap = Uint32Array.from(logits.keys());
  for (let at = (heap.length >> 1) - 1; at >= 0; at--) sink(heap, at, heap.length, logits);
  for (let size = heap.length; size > 0; ) {
    const best = heap[0] as number;
    heap[0] = heap[--size] as number;
    sink(heap, 0, size, logits);
    yield best;
  }
}

/** Moves the id at `at` down until it precedes what is below it. */
function sink(heap: Uint32Array, at: number, size: number, logits: Float32Array): void {
  const id = heap[at] as number;
  const logit = logits[id] as number;
  const precedes = (a: number, x: number, b: number, y: number) => x > y || (x === y && a < b);
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    let below = heap[child] as number;
    const other = child + 1 < size ? (heap[child + 1] as number) : below;
    if (precedes(other, logits[other] as number, below, logits[below] as number)) {
      below = other;
      child++;
    }
    if (!precedes(below, logits[below] as number, id, logit)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = id;
}
