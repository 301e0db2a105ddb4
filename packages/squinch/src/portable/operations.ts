import { wordsOf } from "@cai/portable/philox";
import type { BlockOps, CodeTables, DecodeJob, EncodeJob } from "../native-ops.js";
import { bf16ToFloat32, float32ToBf16 } from "./bf16.js";
import { addBlocks, decodeBlocks } from "./decode.js";
import { addGainSums } from "./gain-sums.js";
import { type Lookup, lookupOf } from "./lookup.js";
import { encodeNearest } from "./nearest.js";
import { encodeStochastic, type RandomWords } from "./stochastic.js";
import { firstNonFinite, isBf16, loadValues, saturate } from "./values.js";

/** Values worked on at a time: in cache, and the unit of the gain's sums. */
const chunkLength = 8192;

const values = new Float32Array(chunkLength);
const decoded = new Float32Array(chunkLength);

/** Encoding and decoding in plain TypeScript. */
export const portableOps: BlockOps = {
  float32ToBf16,
  bf16ToFloat32,

  squinchEncode(x, out, tables, job, report) {
    const lookup = lookupOf(tables);
    const random = job.stochastic ? randomOf(job) : undefined;
    report.fill(0);
    report[0] = -1;
    if (!job.saturate && job.residualOut && refuseNonFinite(x, job.residual, report)) return;
    for (let start = 0; start < x.length; start += chunkLength) {
      if (!encodeChunk(x, start, out, tables, lookup, job, random, report)) return;
    }
  },

  squinchDecode(bytes, out, tables, { gain, scale, accumulate }: DecodeJob) {
    const lookup = lookupOf(tables);
    const kernel = accumulate ? addBlocks : decodeBlocks;
    const whole = out.length >> 3;
    kernel(bytes, 0, whole, out, 0, lookup, gain, scale);
    const rest = out.length - 8 * whole;
    if (rest === 0) return;
    const start = 8 * whole;
    for (let i = 0; i < rest; i++) decoded[i] = out[start + i] as number;
    kernel(bytes, 6 * whole, 1, decoded, 0, lookup, gain, scale);
    for (let i = 0; i < rest; i++) out[start + i] = decoded[i] as number;
  },
};

/** Encodes the chunk of `x` from `start`. @returns false when it is refused for a value that is not finite. */
function encodeChunk(
  x: Float32Array | Uint16Array,
  start: number,
  out: Uint8Array,
  tables: CodeTables,
  lookup: Lookup,
  job: EncodeJob,
  random: RandomWords | undefined,
  report: Float64Array,
): boolean {
  const length = Math.min(chunkLength, x.length - start);
  const blocks = (length + 7) >> 3;
  const padding = 8 * blocks - length;
  const position = (start >> 3) * 6;
  // The caller's array serves as it is unless something is to be added, widened or padded.
  let source: Float32Array = values;
  let from = 0;
  if (!isBf16(x) && !job.residual && padding === 0) {
    source = x;
    from = start;
  } else {
    loadValues(x, start, length, job.residual, values);
  }
  let zeros = encodeBlocks(source, from, blocks, out, position, lookup, random, start);
  if (zeros < 0) {
    if (!job.saturate) {
      report[0] = start + firstNonFinite(source, from, length);
      return false;
    }
    if (source === x) loadValues(x, start, length, undefined, values);
    source = values;
    from = 0;
    report[1] = (report[1] as number) + saturate(values, length, tables);
    zeros = encodeBlocks(source, from, blocks, out, position, lookup, random, start);
  }
  if (padding > 0) zeros -= unmarkPadding(out, position + 6 * (blocks - 1), 8 - padding);
  report[2] = (report[2] as number) + zeros;
  if (job.gain || job.residualOut) {
    decodeBlocks(out, position, blocks, decoded, 0, lookup, 1, 1);
    if (padding > 0) decoded.fill(0, length, 8 * blocks);
    if (job.gain) addGainSums(source, from, decoded, blocks, report);
    if (job.residualOut) storeResidual(source, from, length, job, start);
  }
  return true;
}

function encodeBlocks(
  source: Float32Array,
  from: number,
  blocks: number,
  out: Uint8Array,
  position: number,
  lookup: Lookup,
  random: RandomWords | undefined,
  index: number,
): number {
  return random
    ? encodeStochastic(source, from, blocks, out, position, lookup, random, index)
    : encodeNearest(source, from, blocks, out, position, lookup);
}

/** Clears random signs in the padding of the block at `position`. @returns how many zeros of it were counted. */
function unmarkPadding(out: Uint8Array, position: number, used: number): number {
  out[position + 1] = (out[position + 1] as number) & ((1 << used) - 1);
  return out[position] === 0 ? 0 : 8 - used;
}

function storeResidual(source: Float32Array, from: number, length: number, job: EncodeJob, start: number): void {
  const residualOut = job.residualOut as Float32Array;
  if (job.gain) {
    for (let i = 0; i < length; i++) residualOut[start + i] = source[from + i] as number;
    return;
  }
  for (let i = 0; i < length; i++) residualOut[start + i] = (source[from + i] as number) - (decoded[i] as number);
}

/** Looks through everything before anything is written. @returns whether a value is not finite. */
function refuseNonFinite(
  x: Float32Array | Uint16Array,
  residual: Float32Array | undefined,
  report: Float64Array,
): boolean {
  for (let start = 0; start < x.length; start += chunkLength) {
    const length = Math.min(chunkLength, x.length - start);
    loadValues(x, start, length, residual, values);
    const found = firstNonFinite(values, 0, length);
    if (found >= 0) {
      report[0] = start + found;
      return true;
    }
  }
  return false;
}

function randomOf({ seed, stream }: EncodeJob): RandomWords {
  const [keyLow, keyHigh] = wordsOf(seed, "seed");
  const [streamLow, streamHigh] = wordsOf(stream, "stream");
  return { keyLow, keyHigh, streamLow, streamHigh };
}
