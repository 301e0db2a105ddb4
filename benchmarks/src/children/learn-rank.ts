// Usage: mpirun -np N node learn-rank.js RUN     (RUN: a lib/learning-run.ts LearningRun as JSON)
// One rank of a training run: learns its share of every step, validates its share of the split; rank 0 prints the result.
import { type Communicator, openMpi } from "@cai/native";
import { type Batch, BatchLoader, type EvalBatch, evalBatches, Trainer } from "@cai/trainer";
import { learningRate } from "@cai/trainer/parts";
import { int4Codec } from "../lib/int4-codec.js";
import type { CurvePoint, LearningResult, LearningRun } from "../lib/learning-run.js";

const { recipe, codec, curveEvery, curveBatches } = JSON.parse(process.argv[2] ?? "") as LearningRun;
const began = performance.now();
const communicator = openMpi();
const { rank, size } = communicator;
const trainer = new Trainer(recipe, { communicator, ...(codec && { codec: int4Codec }) });
const loader = new BatchLoader({ ...recipe.data, batchSize: recipe.batchSize, seed: recipe.seed });

/** This rank's micro-batches of a step: all ranks read one stream and take turns. */
function nextMicroBatches(): Batch[] {
  const all = Array.from({ length: recipe.gradAccumSteps * size }, () => loader.next());
  return all.filter((_, i) => i % size === rank);
}

/** Sums of all ranks' numbers, the same on every rank. */
function sumOverRanks(comm: Communicator, numbers: readonly number[]): number[] {
  const all = new Float64Array(numbers.length * comm.size);
  comm.allGather(new Uint8Array(Float64Array.from(numbers).buffer), new Uint8Array(all.buffer)).wait();
  return numbers.map((_, i) =>
    Array.from({ length: comm.size }, (_, r) => all[r * numbers.length + i] as number).reduce((a, b) => a + b),
  );
}

/** Mean loss over `batches`, of which each rank takes its share. */
function validate(batches: Iterable<EvalBatch>): { loss: number; tokens: number } {
  let [nats, tokens, number] = [0, 0, 0];
  for (const batch of batches) {
    if (number++ % size !== rank) continue;
    nats += trainer.evaluate(batch);
    tokens += batch.lossTokens;
  }
  const [allNats = 0, allTokens = 0] = sumOverRanks(communicator, [nats, tokens]);
  return { loss: allNats / allTokens, tokens: allTokens };
}

const evaluation = { ...recipe.data, batchSize: recipe.batchSize };
const fixedPart = [...evalBatches({ ...evaluation, maxBatches: curveBatches })];
const curve: CurvePoint[] = [];
let tokens = 0;
let skippedSteps = 0;
let bytesSent = 0;
for (let step = 1; step <= recipe.steps; step++) {
  const { lossTokens, skipped, exchange } = trainer.step(nextMicroBatches(), learningRate(recipe, step));
  bytesSent += exchange?.bytesSent ?? 0;
  tokens += lossTokens;
  if (skipped) skippedSteps++;
  if (step % curveEvery === 0) curve.push({ step, valLoss: validate(fixedPart).loss });
}
const { loss: valLoss, tokens: valTokens } = validate(evalBatches(evaluation));
loader.close();
trainer.close();
communicator.close();
if (rank === 0) {
  const result: LearningResult = {
    valLoss,
    valTokens,
    curve,
    tokens,
    parameters: trainer.numParameters,
    bytesSentPerStep: bytesSent / recipe.steps,
    skippedSteps,
    seconds: (performance.now() - began) / 1000,
  };
  console.log(JSON.stringify(result));
}
