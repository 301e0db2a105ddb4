import { checkList } from "@cai/portable/arguments";
import { CaiError } from "@cai/portable/error";
import type { MaskArrays } from "../mask.js";
import { emptyRow } from "./runs.js";

const op = "visibilityMask.tree";

/** start j, limit the end of j's subtree; positions are depths. O(n): the path to the last token is kept on a stack. */
export function tree(parents: ArrayLike<number>): MaskArrays {
  checkList(parents, "parents", op);
  const { length } = parents;
  const row = emptyRow(length);
  const path = new Int32Array(length);
  let depth = 0;
  for (let i = 0; i < length; i++) {
    const parent = parents[i] as number;
    checkParent(parent, i);
    while (depth > 0 && path[depth - 1] !== parent) row.limit[path[--depth] as number] = i;
    if (depth === 0 && parent >= 0) refuseOrder(i, parent, row.limit[parent] as number);
    row.start[i] = i;
    row.positions[i] = depth;
    path[depth++] = i;
  }
  while (depth > 0) row.limit[path[--depth] as number] = length;
  return row;
}

function checkParent(parent: unknown, token: number): void {
  if (Number.isInteger(parent) && (parent as number) >= -1 && (parent as number) < token) return;
  const expected = "an earlier token as parent, or -1 for a root";
  throw new CaiError("E_ARGUMENT", op, `token ${token}: expected ${expected}, got ${String(parent)}`);
}

function refuseOrder(token: number, parent: number, end: number): never {
  const reason = `its parent ${parent} can't have children after token ${end}, where another branch began`;
  const advice = "put every token's descendants directly behind it";
  throw new CaiError("E_ARGUMENT", op, `token ${token} is not in depth-first order: ${reason}; ${advice}`);
}
