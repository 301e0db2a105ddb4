import { checkArray, checkLength, describe } from "@cai/portable/arguments";
import type { VisibilityMask } from "../mask.js";
import { refuse, windowOf } from "../refuse.js";
import type { AttentionJob, BackwardJob, Dims } from "./job.js";
import type { AttentionOptions, BackwardOptions, FloatTensor } from "./options.js";

type Sizes = readonly (number | undefined)[];

/** Sizes of a call from q [B, T, H, D] and k [B, S, K, D]. @throws CaiError. */
export function checkHeads(q: FloatTensor, k: FloatTensor, op: string): Dims {
  checkTensor(q, "q", [undefined, undefined, undefined, undefined], op);
  const [B, T, H, D] = q.shape as [number, number, number, number];
  checkTensor(k, "k", [B, undefined, undefined, D], op);
  const [, S, K] = k.shape as [number, number, number];
  if (D === 0) refuse(op, "q must have a head dimension of at least 1, got 0", "E_SHAPE");
  if (K === 0 || H % K !== 0) refuse(op, `q must have a multiple of k's heads, got ${H} and ${K}`, "E_SHAPE");
  return { B, T, S, H, K, D };
}

/** A tensor of this shape, of any strides but the innermost, which is 1, or without `gaps` at all. */
export function checkTensor(tensor: FloatTensor, name: string, shape: Sizes, op: string, gaps = true): void {
  if (typeof tensor !== "object" || tensor === null) {
    refuse(op, `${name} must be a tensor, got ${describe(tensor)}`);
  }
  if (tensor.dtype !== "float32") refuse(op, `${name} must be float32, got ${listed(tensor.dtype)}`, "E_DTYPE");
  if (tensor.device !== "cpu") {
    refuse(op, `${name} must be on the CPU, got ${listed(tensor.device)}: copy it first`, "E_DEVICE");
  }
  checkArray(tensor.data, name, ["Float32Array"], op);
  if (!fits(tensor.shape, shape)) {
    const expected = shape.map((size) => size ?? "any").join(", ");
    refuse(op, `${name} must have shape [${expected}], got ${listed(tensor.shape)}`, "E_SHAPE");
  }
  checkExtent(tensor, name, op, gaps);
}

/** Members of an array one by one; names, such as those of types, without quotes. */
function listed(value: unknown): string {
  if (typeof value === "string") return value;
  return Array.isArray(value) ? `[${value.map(describe).join(", ")}]` : describe(value);
}

function fits(shape: readonly number[], expected: Sizes): boolean {
  if (!Array.isArray(shape) || shape.length !== expected.length) return false;
  for (let i = 0; i < shape.length; i++) {
    const size = shape[i] as number;
    if (!Number.isInteger(size) || size < 0 || (expected[i] !== undefined && size !== expected[i])) return false;
  }
  return true;
}

/** Whether all elements lie inside the array, and beside each other where they must. */
function checkExtent({ shape, strides, data }: FloatTensor, name: string, op: string, gaps: boolean): void {
  const rank = shape.length;
  const fail = (expected: string) => {
    const layout = strides === undefined ? "" : ` and strides ${listed(strides)}`;
    refuse(op, `${name} of shape ${listed(shape)}${layout} must ${expected}`, "E_SHAPE");
  };
  if (strides !== undefined && !(Array.isArray(strides) && strides.length === rank)) fail(`have ${rank} strides`);
  let end = 1;
  let dense = 1;
  for (let i = rank - 1; i >= 0; i--) {
    const size = shape[i] as number;
    if (size === 0) return;
    const stride = strides ? (strides[i] as number) : dense;
    // One element needs no stride, but 0 times what is no finite number is no place.
    if (!(Number.isInteger(stride) && stride >= Math.min(1, size - 1))) fail("have whole strides from 1");
    if (size > 1) {
      if (stride !== dense && !gaps) fail("be without gaps");
      if (stride !== 1 && i === rank - 1) fail("be dense in its last dimension");
      end += (size - 1) * stride;
    }
    dense *= size;
  }
  if (data.length < end) fail(`have data of at least ${end} elements, got ${data.length}`);
}

/** Options with defaults, checked against sizes. */
export function checkJob(options: AttentionOptions, dims: Dims, op: string): AttentionJob {
  const window = windowOf(options, op);
  const { mask, queryIndices, scale = 1 / Math.sqrt(dims.D), softcap = 0 } = options;
  checkMaskFits(mask, queryIndices, dims, op);
  // Natively both are float32.
  const isFloat = (value: unknown) => Number.isFinite(value) && Math.abs(value as number) < 2 ** 128;
  if (!isFloat(scale)) refuse(op, `scale must be a finite float32, got ${describe(scale)}`);
  if (!(isFloat(softcap) && softcap >= 0)) refuse(op, `softcap must be 0 (none) or more, got ${describe(softcap)}`);
  return { dims, mask, queryIndices, window, scale, softcap };
}

function checkMaskFits(mask: VisibilityMask, indices: Int32Array | undefined, { B, T, S }: Dims, op: string): void {
  // Its class may be that of another copy of this package.
  if (!(ArrayBuffer.isView(mask?.start) && ArrayBuffer.isView(mask.limit))) {
    refuse(op, `mask must be a VisibilityMask, got ${describe(mask)}`);
  }
  if (mask.batchSize !== B || mask.seqLen !== S) {
    const got = `${mask.batchSize} of ${mask.seqLen}`;
    refuse(op, `mask must have ${B} rows of ${S} tokens, as k has, got ${got}`, "E_SHAPE");
  }
  if (indices === undefined) {
    if (T === S) return;
    const advice = "give queryIndices, the index in the mask of each query";
    refuse(op, `${T} queries and ${S} keys: ${advice}`, "E_SHAPE");
  }
  checkArray(indices, "queryIndices", ["Int32Array"], op);
  checkLength(indices, "queryIndices", B * T, "one a query", op);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number;
    if (index >= 0 && index < S) continue;
    const place = `queryIndices: query ${i % T} of row ${Math.floor(i / T)}`;
    refuse(op, `${place} must be from 0 to ${S - 1}, got ${index}`);
  }
}

/** The same for a backward pass. */
export function checkBackwardJob(options: AttentionOptions & BackwardOptions, dims: Dims, op: string): BackwardJob {
  const job = checkJob(options, dims, op);
  if (!options.zreg) return job;
  const { coefficient, targets } = options.zreg;
  const zregCoefficients = typeof coefficient === "number" ? new Float32Array(dims.H).fill(coefficient) : coefficient;
  checkArray(zregCoefficients, "zreg.coefficient", ["Float32Array"], op);
  checkLength(zregCoefficients, "zreg.coefficient", dims.H, "one a head", op);
  const bad = zregCoefficients.find((c) => !(c >= 0 && c < Infinity));
  if (bad !== undefined) refuse(op, `zreg.coefficient must be finite and 0 or more, got ${bad}`);
  if (targets) {
    checkArray(targets, "zreg.targets", ["Float32Array"], op);
    checkLength(targets, "zreg.targets", dims.B * dims.T, "one a query", op);
  }
  return { ...job, zregCoefficients, zregTargets: targets };
}
