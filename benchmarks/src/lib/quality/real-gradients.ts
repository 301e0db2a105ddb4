import { compareDecoded, measureQuality, type Quality, type TensorMeasurement } from "@cai/squinch";
import { BatchLoader, recipeByName, resolveRecipe, Trainer } from "@cai/trainer";
import { realText } from "../real-text.js";
import { codes } from "./codes.js";
import { referenceCodebooks } from "./squinch-reference.js";

/** A training run whose gradients are looked at. */
export interface GradientRun {
  readonly recipe: string;
  readonly vocabSize: number;
  readonly seed: number;
  readonly steps: number;
  readonly overrides?: readonly string[];
}

export type TensorKind = "embedding" | "attention" | "feedForward" | "norm" | "bias" | "head";

/** One tensor's gradient at one moment, and what each code made of it. */
export interface GradientQuality {
  readonly model: string;
  readonly moment: "early" | "middle" | "end";
  readonly step: number;
  readonly tensor: string;
  readonly kind: TensorKind;
  readonly length: number;
  /** By the code's name; `lloyd in Adam's unit` and `sqrt in Adam's unit` too. */
  readonly quality: ReadonlyMap<string, Quality>;
  /** What the policy sees: a sample of the gradient ten steps earlier. */
  readonly measurement: TensorMeasurement;
  /** Values that share a block, and how the logarithm of their units spreads in it (standard deviation, mean over blocks). */
  readonly unitSpread: number;
}

/** Steps from a policy's measurement to the gradient that it is judged by. */
const policyAge = 10;
const policyBlocks = 1024;
/** What keeps a unit from vanishing: its square is v plus this share of the tensor's mean v. */
const unitFloor = 0.01;

/** Trains at a rate that stays constant after its warm-up, and looks at every tensor's gradient at three moments. */
export async function gradientQualities(run: GradientRun): Promise<GradientQuality[]> {
  const { recipe: name, vocabSize, seed, steps, overrides = [] } = run;
  const { dir } = await realText(vocabSize);
  const warmupSteps = Math.ceil(steps / 10);
  const recipe = resolveRecipe(recipeByName(name, { dataDir: dir }), [
    ...[`model.vocabSize=${vocabSize}`, `seed=${seed}`, `steps=${steps}`],
    ...[`schedule.warmupSteps=${warmupSteps}`, ...overrides],
  ]);
  const trainer = new Trainer(recipe);
  const { parameters } = trainer.model;
  const batches = new BatchLoader({ ...recipe.data, batchSize: recipe.batchSize, seed });
  const moments = [
    ["early", Math.max(policyAge + 2, Math.round(steps / 15))],
    ["middle", Math.round(steps / 2)],
    ["end", steps],
  ] as const;
  const found: GradientQuality[] = [];
  let measurements = new Map<string, TensorMeasurement>();
  for (let step = 1; step <= steps; step++) {
    const moment = moments.find(([, at]) => at === step)?.[0];
    const before = moment && copied(parameters.views(trainer.optimizer.secondMoments));
    trainer.step([batches.next()], recipe.optim.lr * Math.min(1, step / warmupSteps));
    // The moments have this step's gradients in them now; a factor common to all of v (clipping) changes nothing.
    const eps = recipe.optim.eps * Math.sqrt(1 - recipe.optim.beta2 ** step);
    const state = {
      gradients: trainer.gradients(),
      secondMoments: parameters.views(trainer.optimizer.secondMoments),
      eps,
    };
    if (moments.some(([, at]) => at === step + policyAge)) measurements = measure(state);
    if (!moment || !before) continue;
    for (const [tensor, { data }] of state.gradients) {
      const secondMoments = state.secondMoments.get(tensor)?.data as Float32Array;
      found.push({
        ...{ model: recipe.name, moment, step, tensor, kind: kindOf(tensor), length: data.length },
        quality: qualities(data, secondMoments, before.get(tensor) as Float32Array, eps),
        measurement: measurements.get(tensor) as TensorMeasurement,
        unitSpread: spreadInBlocks(secondMoments),
      });
    }
  }
  batches.close();
  return found;
}

type Tensors = ReadonlyMap<string, { readonly data: Float32Array }>;

function copied(tensors: Tensors): Map<string, Float32Array> {
  return new Map([...tensors].map(([name, { data }]) => [name, data.slice()]));
}

/** Every codebook on a sample of each gradient. */
function measure(state: { gradients: Tensors; secondMoments: Tensors; eps: number }): Map<string, TensorMeasurement> {
  const measureOne = (name: string, x: Float32Array): TensorMeasurement => {
    const secondMoments = state.secondMoments.get(name)?.data as Float32Array;
    const options = { secondMoments, eps: state.eps, sampleBlocks: policyBlocks };
    const quality = referenceCodebooks.map((codebook) => [codebook, measureQuality(x, { ...options, codebook })]);
    return { length: x.length, quality: Object.fromEntries(quality) };
  };
  return new Map([...state.gradients].map(([name, { data }]) => [name, measureOne(name, data)]));
}

function qualities(x: Float32Array, secondMoments: Float32Array, before: Float32Array, eps: number) {
  const compare = (decoded: Float32Array) => compareDecoded(x, decoded, { secondMoments, eps });
  const found = new Map(codes.map(({ name, roundTrip }) => [name, compare(roundTrip(x))]));
  const unit = knownUnit(before);
  for (const code of codes.filter(({ name }) => unitCodes.includes(name))) {
    const inUnits = code.roundTrip(x.map((value, i) => value / (unit[i] as number)));
    found.set(inAdamsUnit(code.name), compare(inUnits.map((value, i) => value * (unit[i] as number))));
  }
  return found;
}

const unitCodes = ["squinch sqrt", "squinch lloyd"];

/** The name of a code that gets values divided by the unit that all ranks know from the step before. */
export function inAdamsUnit(name: string): string {
  return `${name} in Adam's unit`;
}

/** √(v + a share of v's mean) of the step before; 1 where nothing is known yet. */
function knownUnit(before: Float32Array): Float32Array {
  const mean = before.reduce((sum, v) => sum + v, 0) / before.length;
  return before.map((v) => Math.sqrt(v + unitFloor * mean) || 1);
}

function spreadInBlocks(secondMoments: Float32Array): number {
  let total = 0;
  let blocks = 0;
  for (let start = 0; start < secondMoments.length; start += 8) {
    const logs = Array.from(secondMoments.subarray(start, start + 8)).filter((v) => v > 0);
    if (logs.length < 2) continue;
    const units = logs.map((v) => Math.log(v) / 2);
    const mean = units.reduce((sum, unit) => sum + unit, 0) / units.length;
    total += Math.sqrt(units.reduce((sum, unit) => sum + (unit - mean) ** 2, 0) / units.length);
    blocks++;
  }
  return blocks > 0 ? total / blocks : 0;
}

/** What a tensor does, from its name in Llama's or GPT-2's layout. */
export function kindOf(tensor: string): TensorKind {
  if (/norm|ln_/.test(tensor)) return "norm";
  if (tensor.endsWith(".bias")) return "bias";
  if (/embed|wte|wpe/.test(tensor)) return "embedding";
  if (/lm_head/.test(tensor)) return "head";
  return /attn/.test(tensor) ? "attention" : "feedForward";
}
