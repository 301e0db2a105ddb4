// How fast do we train a GPT-2, and in how much memory, beside PyTorch on the same machine?
import type { Bench, BenchResult } from "./lib/bench.js";
import { LinePeer } from "./lib/line-peer.js";
import { type BenchModel, benchModel } from "./lib/models.js";
import { childProgram } from "./lib/paths.js";
import { interleave, median, quantile } from "./lib/statistics.js";
import type { StepReply, StepRequest } from "./lib/stepper.js";
import { requireTorch, torchModelOptions, torchProgram, torchPython, tunedTorchEnvironment } from "./lib/torch.js";

type Stepper = LinePeer<StepRequest, StepReply, { version?: string; cpuCapability?: string; parameters: number }>;
type Contestant = "ours" | "pytorch" | "pytorchAsInstalled";

/** The first block of each contestant only warms it up. */
const warmUpBlocks = 1;
/** Rounds of blocks of steps, one block a contestant a round. */
const plans = {
  S: { quick: { rounds: 3, steps: 2 }, full: { rounds: 16, steps: 5 } },
  M: { quick: { rounds: 2, steps: 1 }, full: { rounds: 14, steps: 3 } },
};

export const train: Bench = async ({ quick }) => {
  await requireTorch();
  const small = await compare("S", quick);
  const medium = await compare("M", quick);
  return {
    rows: [...small.rows, ...medium.rows],
    summary: {
      ratioToPyTorchS: small.ratio,
      ratioToPyTorchM: medium.ratio,
      memoryRatioToPyTorchM: medium.memoryRatio,
      memoryRatioToPyTorchS: small.memoryRatio,
    },
    peers: { pytorch: { ...small.peer, environment: tunedTorchEnvironment() } },
  };
};

async function compare(size: BenchModel["size"], quick: boolean) {
  const model = benchModel(size);
  const torchArguments = [torchProgram, "train", ...torchModelOptions(model)];
  const steppers: Record<Contestant, Stepper> = {
    ours: new LinePeer("our trainer", process.execPath, [childProgram("train-ours"), size], cpuTargetEnvironment()),
    pytorch: new LinePeer("PyTorch", torchPython, torchArguments, tunedTorchEnvironment()),
    // Its memory may be the lower one.
    pytorchAsInstalled: new LinePeer("PyTorch as installed", torchPython, torchArguments, {}),
  };
  try {
    const { version, cpuCapability, parameters } = await steppers.pytorch.ready;
    if ((await steppers.ours.ready).parameters !== parameters)
      throw new Error(`${size}: the two models differ in size`);
    const { rounds, steps } = plans[size][quick ? "quick" : "full"];
    const blocks = await interleave(
      {
        ours: () => steppers.ours.ask({ steps }),
        pytorch: () => steppers.pytorch.ask({ steps }),
        pytorchAsInstalled: () => steppers.pytorchAsInstalled.ask({ steps }),
      },
      warmUpBlocks + rounds,
    );
    return { ...evaluate(model, blocks), peer: { version, cpuCapability } };
  } finally {
    await Promise.all(Object.values(steppers).map((stepper) => stepper.close()));
  }
}

/** An instruction set asked for is asked of our side: a processor with AMX can then be measured without it. */
function cpuTargetEnvironment(): Record<string, string> {
  const { CAI_CPU_TARGET } = process.env;
  return CAI_CPU_TARGET === undefined ? {} : { CAI_CPU_TARGET };
}

function evaluate(model: BenchModel, replies: Record<Contestant, StepReply[]>) {
  const ours = figuresOf(model, "ours", replies.ours);
  const peers = [
    figuresOf(model, "pytorch", replies.pytorch),
    figuresOf(model, "pytorchAsInstalled", replies.pytorchAsInstalled),
  ];
  return {
    rows: [ours, ...peers] satisfies BenchResult["rows"],
    ratio: Math.min(...peers.map(({ stepTimeMs }) => stepTimeMs)) / ours.stepTimeMs,
    memoryRatio: ours.peakMemoryMiB / Math.min(...peers.map(({ peakMemoryMiB }) => peakMemoryMiB)),
  };
}

function figuresOf({ size, batch, context }: BenchModel, contestant: Contestant, blocks: readonly StepReply[]) {
  const times = blocks.slice(warmUpBlocks).flatMap(({ stepTimesMs }) => stepTimesMs);
  const stepTimeMs = median(times);
  return {
    model: size,
    contestant,
    tokensPerSecond: (1000 * batch * context) / stepTimeMs,
    stepTimeMs,
    stepTimeMs10: quantile(times, 0.1),
    stepTimeMs90: quantile(times, 0.9),
    peakMemoryMiB: Math.max(...blocks.map(({ peakMemoryBytes }) => peakMemoryBytes)) / 2 ** 20,
    steps: times.length,
  };
}
