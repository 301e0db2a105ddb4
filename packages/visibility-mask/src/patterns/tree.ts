import { checkList, describe } from "@cai/portable/arguments";
import type { MaskArrays } from "../mask.js";
import { refuse } from "../refuse.js";
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
    if (!(Number.isInteger(parent) && parent >= -1 && parent < i)) {
      refuse(op, `token ${i}: expected an earlier token as parent, or -1 for a root, got ${describe(parent)}`);
    }
    while (depth > 0 && path[depth - 1] !== parent) row.limit[path[--depth] as number] = i;
    if (depth === 0 && parent >= 0) {
      const reason = `its parent ${parent} can't have children after token ${row.limit[parent]}, where another branch began`;
      const advice = "put every token's descendants directly behind it";
      refuse(op, `token ${i} is not in depth-first order: ${reason}; ${advice}`);
    }
    row.start[i] = i;
    row.positions[i] = depth;
    path[depth++] = i;
  }
  while (depth > 0) row.limit[path[--depth] as number] = length;
  return row;
}
