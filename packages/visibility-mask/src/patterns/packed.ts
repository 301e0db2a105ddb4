import { checkOptions, checkWhole } from "@cai/portable/arguments";
import type { MaskArrays } from "../mask.js";
import { most } from "../refuse.js";
import { emptyRow, endsOf, fillRun, type RowLength, rowLength } from "./runs.js";

/** start j, limit the end of j's document; positions restart at 0 in each. */
export function packed(lengths: ArrayLike<number>, options: RowLength = {}): MaskArrays {
  const op = "visibilityMask.packed";
  checkOptions(options, op);
  const ends = endsOf(lengths, "lengths", "document", 0, op);
  const row = emptyRow(rowLength(ends, options, "document", op));
  ends.forEach((end, i) => {
    fillRun(row, ends[i - 1] ?? 0, end);
  });
  return row;
}

/** start j; limit T in the prompt, the end of the own answer in answers, whose positions all go on from the prompt's. */
export function sharedPrompt(promptLength: number, answerLengths: ArrayLike<number>): MaskArrays {
  const op = "visibilityMask.sharedPrompt";
  checkWhole(promptLength, "promptLength", 0, most, op);
  return branches(promptLength, endsOf(answerLengths, "answerLengths", "answer", promptLength, op));
}

export interface BeamShape {
  /** Tokens that all beams share. */
  readonly promptLength: number;
  readonly beams: number;
  /** Cache slots that each beam owns after the prompt. */
  readonly length: number;
}

/** As a shared prompt with answers of one length: slot s of beam b is token promptLength + b · length + s. */
export function beams(shape: BeamShape): MaskArrays {
  const op = "visibilityMask.beams";
  checkOptions(shape, op);
  const { promptLength, beams: count, length } = shape;
  checkWhole(promptLength, "promptLength", 0, most, op);
  checkWhole(count, "beams", 1, most, op);
  checkWhole(length, "length", 1, Math.floor((most - promptLength) / count), op);
  return branches(
    promptLength,
    Array.from({ length: count }, (_, beam) => promptLength + (beam + 1) * length),
  );
}

function branches(promptLength: number, ends: readonly number[]): MaskArrays {
  const seqLen = ends.at(-1) ?? promptLength;
  const row = emptyRow(seqLen);
  fillRun(row, 0, promptLength, { limit: seqLen });
  ends.forEach((end, i) => {
    fillRun(row, ends[i - 1] ?? promptLength, end, { position: promptLength });
  });
  return row;
}
