import { CaiError } from "@cai/native";
import {
  bf16Codec,
  type CodebookName,
  choosePolicy,
  type GradientCodec,
  measureQuality,
  type Quality,
  squinchCodec,
  type TensorMeasurement,
  type TensorPolicy,
} from "@cai/squinch";
import type { Recipe } from "../config/recipe.js";
import type { ParameterGroup } from "../model/parameter-store.js";
import type { FlatRange } from "./held-values.js";
import { TensorSample } from "./tensor-sample.js";

const codebooks: readonly CodebookName[] = ["sqrt", "adam", "lloyd"];
const policies: readonly TensorPolicy[] = [...codebooks, "bf16"];

// Smaller groups always travel as bf16; the same bound as choosePolicy's.
const minLength = 4096;

/** What a codebook does to each tensor, by name. */
export type MeasuredQuality = Readonly<Record<string, Readonly<Partial<Record<CodebookName, Quality>>>>>;

/**
 * Which codec each tensor travels by, where that is measured: every `policyEvery` updates, from a sample of the first
 * rank's own gradient, in units of Adam's second moments; the other ranks follow its choice. Tensors that lie behind each
 * other in memory share one. Until the first measurement, large tensors travel by the recipe's codebook.
 */
export class CodecPolicy {
  readonly #settings: Recipe["distributed"];
  readonly #eps: number;
  readonly #groups: readonly ParameterGroup[];
  readonly #codecs: ReadonlyMap<TensorPolicy, GradientCodec>;
  readonly #samples = new Map<ParameterGroup, TensorSample>();
  #choice: Map<ParameterGroup, TensorPolicy>;

  constructor(groups: readonly ParameterGroup[], { distributed, optim }: Recipe) {
    const { rounding, gain, codebook } = distributed;
    this.#settings = distributed;
    this.#eps = optim.eps;
    this.#groups = groups;
    const squinch = codebooks.map((name) => [name, squinchCodec({ codebook: name, rounding, gain })] as const);
    this.#codecs = new Map<TensorPolicy, GradientCodec>([...squinch, ["bf16", bf16Codec]]);
    this.#choice = new Map(groups.map((group) => [group, isLarge(group) ? codebook : "bf16"]));
  }

  /** What may share a bucket: small tensors, whose codec never changes. */
  kindOf(group: ParameterGroup): string {
    return isLarge(group) ? (group.names[0] as string) : "small";
  }

  codecOf(range: FlatRange): GradientCodec {
    const policy = this.#choice.get(this.#groupAt(range)) as TensorPolicy;
    return this.#codecs.get(policy) as GradientCodec;
  }

  /** By tensor name. */
  get codecs(): Record<string, TensorPolicy> {
    return Object.fromEntries(
      [...this.#choice].flatMap(([{ names }, policy]) => names.map((name) => [name, policy] as const)),
    );
  }

  /** @throws CaiError `E_FORMAT` when they are not those of this model. */
  set codecs(codecs: Readonly<Record<string, string>>) {
    this.#choice = new Map(
      this.#groups.map((group) => {
        const policy = policies.find((known) => known === codecs[group.names[0] as string]);
        if (policy) return [group, policy];
        const expected = `one of ${policies.join(", ")} for ${group.names[0]}`;
        const message = `a checkpoint's codecs: expected ${expected}, got ${codecs[group.names[0] as string]}`;
        throw new CaiError("E_FORMAT", "checkpoint", message);
      }),
    );
  }

  /** Whether the step that follows `updates` others is to be measured: the first one is. */
  isDue(updates: number): boolean {
    return updates % this.#settings.policyEvery === 0;
  }

  /** Puts a sample of a finished gradient by. @param range a bucket, or the part whose moments this rank has. */
  sample(range: FlatRange, gradient: Float32Array): void {
    const group = this.#groupAt(range);
    if (!isLarge(group) || this.#samples.has(group) || range.end - range.begin < 8) return;
    const sample = new TensorSample(range);
    sample.take(gradient);
    this.#samples.set(group, sample);
  }

  /** What the codebooks do to the samples, which are then given up. @param momentsOf the second moments of a range. */
  measure(momentsOf: (range: FlatRange) => Float32Array): MeasuredQuality {
    const measured = [...this.#samples].map(([{ names }, sample]) => {
      const options = { secondMoments: sample.moments(momentsOf), eps: this.#eps };
      const quality = codebooks.map((codebook) => [
        codebook,
        measureQuality(sample.gradient, { codebook, ...options }),
      ]);
      return [names[0] as string, Object.fromEntries(quality)] as const;
    });
    this.#samples.clear();
    return Object.fromEntries(measured);
  }

  /** Forgets the samples of a step that was not made. */
  forget(): void {
    this.#samples.clear();
  }

  /** One byte for each group: what `quality` makes of it, or what it was. */
  choose(quality: MeasuredQuality): Uint8Array {
    const measured = new Map<string, TensorMeasurement>();
    for (const { names, begin, end } of this.#groups) {
      const found = quality[names[0] as string];
      if (found) measured.set(names[0] as string, { length: end - begin, quality: found });
    }
    const chosen = choosePolicy(measured, { minLength });
    return Uint8Array.from(this.#groups, (group) => {
      const policy = chosen.get(group.names[0] as string) ?? (this.#choice.get(group) as TensorPolicy);
      return policies.indexOf(policy);
    });
  }

  /** Takes over what {@link choose} gave on the first rank. @returns whether anything is another. */
  follow(choice: Uint8Array): boolean {
    const before = this.#choice;
    this.#choice = new Map(this.#groups.map((group, i) => [group, policies[choice[i] as number] as TensorPolicy]));
    return this.#groups.some((group) => before.get(group) !== this.#choice.get(group));
  }

  get numGroups(): number {
    return this.#groups.length;
  }

  #groupAt({ begin }: FlatRange): ParameterGroup {
    return this.#groups.find((group) => group.begin <= begin && begin < group.end) as ParameterGroup;
  }
}

function isLarge({ begin, end }: ParameterGroup): boolean {
  return end - begin >= minLength;
}
