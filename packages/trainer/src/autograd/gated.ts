import { siluGatedBackward, siluGatedForward } from "@cai/native";
import { columns } from "./columns.js";
import type { Tape, Variable } from "./tape.js";

/** silu(gate) · up, where x [N, 2F] holds the gate in its first F columns and `up` in the others: [N, F]. */
export function siluGated(tape: Tape, x: Variable): Variable {
  const [rows, both] = x.value.shape as [number, number];
  const size = both / 2;
  const y = tape.variable([rows, size]);
  siluGatedForward(columns(x.value, 0, size), columns(x.value, size, size), y.value);
  tape.record(y, [], [], (dy) => {
    const { tensor: dx, accumulate } = tape.gradientOf(x);
    if (accumulate) throw new Error("a gated pair has one use");
    siluGatedBackward(
      dy,
      columns(x.value, 0, size),
      columns(x.value, size, size),
      columns(dx, 0, size),
      columns(dx, size, size),
    );
  });
  return y;
}
