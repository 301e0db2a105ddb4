// Do we compute what PyTorch computes? The same weights and batches in both: losses of 20 steps, gradients of the first.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CaiError, type FloatTensor, floatTensor, intTensor } from "@cai/native";
import { randomFloats, randomInts } from "@cai/test-utils";
import { causalBatch, readSafetensors, Trainer, writeSafetensors } from "@cai/trainer";
import type { Bench } from "./lib/bench.js";
import { type BenchModel, benchModel, benchRecipe } from "./lib/models.js";
import { requireTorch, torchModelOptions, torchProgram, torchPython, tunedTorchEnvironment } from "./lib/torch.js";

const size = "S";

interface Batches {
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
}

interface Outcome {
  readonly losses: ArrayLike<number>;
  readonly gradients: ReadonlyMap<string, FloatTensor>;
}

export const parity: Bench = async ({ quick }) => {
  await requireTorch();
  const model = benchModel(size);
  const steps = quick ? 5 : 20;
  const weights = startingWeights();
  const batches = learnableBatches(model, steps);
  const theirs = await runTorch(model, weights, batches, steps);
  const ours = runOurs(model, weights, batches, steps);
  const gradients = compareGradients(ours.gradients, theirs.gradients);
  const losses = Array.from({ length: steps }, (_, step) => compareLosses(step, ours.losses, theirs.losses));
  return {
    rows: [...losses, ...gradients],
    summary: {
      maxLossRelDiff: Math.max(...losses.map(({ relDiff }) => relDiff)),
      maxGradRelDiff: Math.max(...gradients.map(({ relDiff }) => relDiff)),
    },
    peers: { pytorch: { environment: tunedTorchEnvironment() } },
  };
};

/** Our own starting weights, but no bias left at zero and no gain at one: a swapped or forgotten one would not show. */
function startingWeights(): Map<string, FloatTensor> {
  const weights = new Trainer(benchRecipe(size)).parameters();
  return new Map(
    [...weights].map(([name, { data, shape }], index) => {
      const noise = randomFloats(data.length, index + 1, shape.length === 1 ? 0.05 : 0);
      return [
        name,
        floatTensor(
          data.map((value, i) => value + (noise[i] as number)),
          shape,
        ),
      ];
    }),
  );
}

/** Sequences that a model can learn in a few steps: mostly token + 1, else any token. */
function learnableBatches({ batch, context, vocab }: BenchModel, steps: number): Batches {
  const rows = steps * batch;
  const noise = randomInts(rows * (context + 1), vocab, 101);
  const coins = randomInts(rows * (context + 1), 4, 102);
  const tokens = new Int32Array(rows * context);
  const targets = new Int32Array(rows * context);
  for (let row = 0; row < rows; row++) {
    let current = noise[row * (context + 1)] as number;
    for (let i = 0; i < context; i++) {
      const at = row * (context + 1) + i + 1;
      const next = coins[at] === 0 ? (noise[at] as number) : (current + 1) % vocab;
      tokens[row * context + i] = current;
      targets[row * context + i] = next;
      current = next;
    }
  }
  return { tokens, targets };
}

async function runTorch(
  model: BenchModel,
  weights: ReadonlyMap<string, FloatTensor>,
  { tokens, targets }: Batches,
  steps: number,
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "cai-parity-"));
  try {
    const [initial, batches, output] = ["initial", "batches", "output"].map((name) =>
      join(folder, `${name}.safetensors`),
    );
    const shape = [steps, model.batch, model.context];
    await writeSafetensors(initial as string, weights);
    await writeSafetensors(
      batches as string,
      new Map([
        ["tokens", intTensor(tokens, shape)],
        ["targets", intTensor(targets, shape)],
      ]),
    );
    const files = ["--initial", `${initial}`, "--batches", `${batches}`, "--output", `${output}`];
    const { status, stderr } = spawnSync(torchPython, [torchProgram, "parity", ...torchModelOptions(model), ...files], {
      env: { ...process.env, ...tunedTorchEnvironment() },
      encoding: "utf8",
    });
    if (status !== 0) throw new CaiError("E_IO", "bench", `PyTorch ended with status ${status}:\n${stderr}`);
    const { tensors } = await readSafetensors(output as string);
    return split(tensors as Map<string, FloatTensor>);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function split(tensors: ReadonlyMap<string, FloatTensor>): Outcome {
  const prefix = "gradient.";
  const gradients = [...tensors].filter(([name]) => name.startsWith(prefix));
  return {
    losses: tensors.get("losses")?.data ?? [],
    gradients: new Map(gradients.map(([name, tensor]) => [name.slice(prefix.length), tensor])),
  };
}

function runOurs(
  { batch, context }: BenchModel,
  initialWeights: ReadonlyMap<string, FloatTensor>,
  { tokens, targets }: Batches,
  steps: number,
): Outcome {
  const gradients = new Map<string, FloatTensor>();
  const trainer = new Trainer(benchRecipe(size), {
    initialWeights,
    onGradients: (current) => {
      if (gradients.size > 0) return;
      for (const [name, { data, shape }] of current) gradients.set(name, floatTensor(data.slice(), shape));
    },
  });
  const length = batch * context;
  const losses = Array.from({ length: steps }, (_, step) => {
    const part = (values: Int32Array) => values.subarray(step * length, (step + 1) * length);
    return trainer.step([causalBatch(part(tokens), part(targets), context)]).loss;
  });
  return { losses, gradients };
}

function compareLosses(step: number, ours: ArrayLike<number>, theirs: ArrayLike<number>) {
  const [our, their] = [ours[step] ?? Number.NaN, theirs[step] ?? Number.NaN];
  return { what: `loss of step ${step + 1}`, ours: our, pytorch: their, relDiff: Math.abs(our - their) / their };
}

/**
 * The norm of each tensor's difference, relative to the greater of the tensor's norm and a thousandth of the global norm
 * over the square root of the number of tensors: a key bias has a true gradient of zero, and only rounding is left of it.
 */
function compareGradients(ours: ReadonlyMap<string, FloatTensor>, theirs: ReadonlyMap<string, FloatTensor>) {
  const norms = new Map([...theirs].map(([name, { data }]) => [name, norm(data)]));
  const smallest = (1e-3 * norm([...norms.values()])) / Math.sqrt(theirs.size);
  const names = new Set([...ours.keys(), ...theirs.keys()]);
  return [...names].map((name) => {
    const [our, their] = [ours.get(name)?.data ?? [], theirs.get(name)?.data ?? []];
    const theirNorm = norms.get(name) ?? 0;
    const relDiff = our.length === their.length ? distance(our, their) / Math.max(theirNorm, smallest) : Number.NaN;
    return { what: `gradient of ${name}`, ours: norm(our), pytorch: theirNorm, relDiff };
  });
}

function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  return Math.sqrt(sum);
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(sum);
}
