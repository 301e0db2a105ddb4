// Usage: mpirun ... node exchange-rank.js
// One rank of the squinch-network bench. Rank 0 reads a request a line and answers as lib/exchange-protocol.ts says; all
// ranks carry it out together.
import { createInterface } from "node:readline";
import { type Communicator, openMpi } from "@cai/native";
import {
  backend,
  bf16Codec,
  float32Codec,
  Gather,
  type GradientCodec,
  newScratch,
  Reduction,
  ReductionQueue,
  Scatter,
  scratchBytes,
  squinchCodec,
} from "@cai/squinch";
import { randomFloats, randomInts } from "@cai/test-utils";
import { causalBatch, type Recipe, Trainer } from "@cai/trainer";
import {
  type CodecName,
  type ExchangeReady,
  type ExchangeReply,
  type ExchangeRequest,
  type StepSetting,
  stepSettings,
} from "../lib/exchange-protocol.js";
import { networkRecipe } from "../lib/models.js";
import { median } from "../lib/statistics.js";

// The ranks of one launch wait while those of another are measured.
const communicator = openMpi({ timeoutMs: 600_000 });
const { rank, size } = communicator;
const codecs: Record<CodecName, GradientCodec> = {
  float32: float32Codec,
  bf16: bf16Codec,
  squinch: squinchCodec(),
};
const trainers = new Map<string, Trainer>();
const queues = new Map<CodecName, ExchangeAlone>();

interface ExchangeAlone {
  readonly gradient: Float32Array;
  readonly communicators: readonly Communicator[];
  readonly queue: ReductionQueue;
  readonly numBuckets: number;
}

const recipe = networkRecipe({});
const local = new Trainer(recipe);
const parameters = local.numParameters;
const { bucketMiB } = recipe.distributed;
const numBuckets = Math.ceil(parameters / (bucketMiB * 2 ** 18));
const bucketValues = 8 * Math.ceil(parameters / numBuckets / 8);
const source = randomFloats(parameters, rank + 1, 1e-3);

function carryOut(request: ExchangeRequest): ExchangeReply {
  switch (request.kind) {
    case "raw":
      return measureRaw(request.bytes, request.rounds);
    case "exchange":
      return measureExchange(request.codec, request.rounds);
    case "codec":
      return measureCodec(codecs[request.codec], request.rounds);
    case "alone":
      return measureSteps(local, request.steps, request.microBatches);
    case "step":
      return measureSteps(trainerFor(request.setting), request.steps, 1);
    case "rest":
      return { timesMs: [], cpuSeconds: cpuSeconds() };
  }
}

function measureRaw(bytes: number, rounds: number): ExchangeReply {
  const part = Math.ceil(bytes / size);
  const send = new Uint8Array(part * size).fill(rank);
  const receive = new Uint8Array(send.length);
  return { timesMs: times(rounds, () => timed(() => communicator.allToAll(send, receive).wait())) };
}

function measureExchange(name: CodecName, rounds: number): ExchangeReply {
  const made = queues.get(name) ?? exchangeAlone(codecs[name]);
  queues.set(name, made);
  const { gradient, communicators, queue } = made;
  const sent = () => communicators.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  const before = sent();
  const timesMs = times(rounds, () => {
    gradient.set(source);
    return timed(() => {
      queue.reset();
      for (let bucket = 0; bucket < made.numBuckets; bucket++) {
        queue.beginNext(0);
        queue.poll();
      }
      queue.finish();
    });
  });
  return { timesMs, bytesSent: meanOverRanks((sent() - before) / rounds) };
}

/** The reductions of the trainer's `replicated` mode, over one gradient without a model. */
function exchangeAlone(codec: GradientCodec): ExchangeAlone {
  const communicators = [communicator.duplicate(), communicator.duplicate()] as const;
  const gradient = new Float32Array(parameters);
  const reductions = Array.from({ length: numBuckets }, (_, bucket) => {
    const values = gradient.subarray(bucket * bucketValues, (bucket + 1) * bucketValues);
    const scratch = newScratch(scratchBytes(values.length, size, codec));
    const scatter = new Scatter(values, communicators[0], codec, { scratch, bucket, phase: 0 });
    const gather = new Gather(values, communicators[1], codec, { scratch, bucket, phase: 1, scale: 1 / size });
    return new Reduction([scatter, gather]);
  });
  return { gradient, communicators, queue: new ReductionQueue(reductions), numBuckets };
}

function measureCodec(codec: GradientCodec, rounds: number): ExchangeReply {
  const values = source.slice(0, bucketValues);
  const bytes = new Uint8Array(codec.bytes(values.length));
  const perValue = (action: () => void) => {
    const all = times(rounds, () => timedHere(action));
    return meanOverRanks((median(all) * 1e6) / values.length);
  };
  const codecNs = {
    encode: perValue(() => codec.encode(values, bytes, { seed: 0, stream: 0 })),
    decodeAdd: perValue(() => codec.decode(bytes, values, { accumulate: true, scale: 1 })),
    decode: perValue(() => codec.decode(bytes, values, { accumulate: false, scale: 1 })),
  };
  return { timesMs: [], codecNs };
}

function trainerFor(setting: StepSetting): Trainer {
  const trainer = trainers.get(setting) ?? new Trainer(networkRecipe(stepSettings[setting]), { communicator });
  trainers.set(setting, trainer);
  return trainer;
}

let seed = 1000 * rank;

function measureSteps(trainer: Trainer, steps: number, microBatches: number): ExchangeReply {
  const { batchSize, data, model }: Recipe = trainer.recipe;
  const length = batchSize * data.seqLen;
  const randomBatch = () => {
    const [tokens, targets] = [
      randomInts(length, model.vocabSize, seed++),
      randomInts(length, model.vocabSize, seed++),
    ];
    return causalBatch(tokens, targets, data.seqLen);
  };
  const exposedMs: number[] = [];
  const bytes = { gradients: 0, parameters: 0 };
  const timesMs = times(steps, () => {
    const batches = times(microBatches, randomBatch);
    let exposed = 0;
    const time = timed(() => {
      const { exchange } = trainer.step(batches);
      exposed = exchange?.exposedMs ?? 0;
      bytes.gradients += exchange?.bytesSent ?? 0;
      bytes.parameters += exchange?.parameterBytesSent ?? 0;
    });
    exposedMs.push(meanOverRanks(exposed));
    return time;
  });
  return {
    timesMs,
    exposedMs,
    bytesSent: meanOverRanks(bytes.gradients / steps),
    parameterBytesSent: meanOverRanks(bytes.parameters / steps),
  };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return size * meanOverRanks(1e-6 * (user + system));
}

function times<Result>(count: number, action: () => Result): Result[] {
  return Array.from({ length: count }, action);
}

/** The slowest rank's time from a common start. */
function timed(action: () => void): number {
  communicator.barrier().wait();
  return Math.max(...gathered(timedHere(action)));
}

function timedHere(action: () => void): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

function meanOverRanks(mine: number): number {
  return gathered(mine).reduce((sum, value) => sum + value, 0) / size;
}

function gathered(mine: number): Float64Array {
  const all = new Float64Array(size);
  communicator.allGather(new Uint8Array(Float64Array.of(mine).buffer), new Uint8Array(all.buffer)).wait();
  return all;
}

/** Rank 0's text, on every rank. */
function broadcastText(text = ""): string {
  const length = Float64Array.of(Buffer.byteLength(text));
  communicator.broadcast(new Uint8Array(length.buffer), 0).wait();
  const bytes = new Uint8Array(length[0] as number);
  if (rank === 0) bytes.set(Buffer.from(text));
  communicator.broadcast(bytes, 0).wait();
  return Buffer.from(bytes).toString();
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

if (rank === 0) {
  const tiedShare = (recipe.model.vocabSize * recipe.model.hiddenSize) / parameters;
  const squinchBackend = backend();
  say({
    ranks: size,
    parameters,
    bucketValues,
    buckets: numBuckets,
    tiedShare,
    squinchBackend,
  } satisfies ExchangeReady);
  for await (const line of createInterface({ input: process.stdin })) {
    say(carryOut(JSON.parse(broadcastText(line)) as ExchangeRequest));
  }
  broadcastText();
} else {
  for (let line = broadcastText(); line !== ""; line = broadcastText()) carryOut(JSON.parse(line) as ExchangeRequest);
}
for (const trainer of trainers.values()) trainer.close();
for (const { communicators } of queues.values()) for (const each of communicators) each.close();
communicator.close();
