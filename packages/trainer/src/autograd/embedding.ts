import { embeddingBackward, embeddingForward, type IntTensor } from "@cai/native";
import type { Parameter, Tape, Variable } from "./tape.js";

/** Row ids[n] of `table` [V, C] for each n, plus row positions[n] of `positionTable` where there is one: [N, C]. */
export function embedding(
  tape: Tape,
  ids: IntTensor,
  table: Parameter,
  learned?: { positions: IntTensor; table: Parameter },
): Variable {
  const out = tape.variable([ids.shape[0] as number, table.value.shape[1] as number]);
  embeddingForward(ids, table.value, out.value);
  if (learned) embeddingForward(learned.positions, learned.table.value, out.value, { accumulate: true });
  const parameters = learned ? [table, learned.table] : [table];
  tape.record(out, [], parameters, (dout) => {
    embeddingBackward(ids, dout, table.grad);
    if (learned) embeddingBackward(learned.positions, dout, learned.table.grad);
  });
  return out;
}
