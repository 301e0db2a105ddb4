/** What computes in this process: plain TypeScript, or `@cai/native` on the CPU. */
export type Backend = "portable" | "cpu";

/** Holds a technique's native operations, which are looked for once, when they are first asked for. */
export class NativeSlot<Ops> {
  #load: () => Ops | undefined = () => undefined;
  #found: Ops | undefined;
  #looked = false;

  /** Tells how to find them; the entry for Node does, others leave it. */
  register(load: () => Ops | undefined): void {
    this.#load = load;
    this.#looked = false;
  }

  /** The native operations, where there are any. @throws CaiError when `CAI_BACKEND` asks for what can't be had. */
  get ops(): Ops | undefined {
    if (!this.#looked) {
      this.#found = this.#load();
      this.#looked = true;
    }
    return this.#found;
  }

  get backend(): Backend {
    return this.ops ? "cpu" : "portable";
  }
}
