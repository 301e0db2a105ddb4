import { checkWhole } from "@cai/portable/arguments";
import type { MaskArrays } from "../mask.js";
import { most } from "../refuse.js";

/** start j, limit T: every token sees itself and those before it. */
export function causal(seqLen: number): MaskArrays {
  return document(seqLen, 0, "causal");
}

/** start 0, limit T: everybody sees everybody. */
export function bidirectional(seqLen: number): MaskArrays {
  return document(seqLen, seqLen, "bidirectional");
}

/** start 0 within the prefix, j after it; limit T. */
export function prefixLm(prefixLength: number, seqLen: number): MaskArrays {
  const arrays = document(seqLen, 0, "prefixLm");
  checkWhole(prefixLength, "prefixLength", 0, seqLen, "visibilityMask.prefixLm");
  arrays.start.fill(0, 0, prefixLength);
  return arrays;
}

/** start 0, limit 0. */
export function padding(seqLen: number): MaskArrays {
  const arrays = document(seqLen, seqLen, "padding");
  arrays.limit.fill(0);
  return arrays;
}

function document(seqLen: number, prefixLength: number, name: string): MaskArrays {
  checkWhole(seqLen, "seqLen", 0, most, `visibilityMask.${name}`);
  const start = new Int32Array(seqLen);
  for (let j = prefixLength; j < seqLen; j++) start[j] = j;
  return { start, limit: new Int32Array(seqLen).fill(seqLen) };
}
