import {
  activationBackward,
  embeddingBackward,
  embeddingForward,
  type FloatTensor,
  floatTensor,
  type IntTensor,
  matmul,
} from "@cai/native";
import { linear, type Parameter, type Tape, type Variable } from "@cai/trainer/parts";
import { type Routing, type RoutingOptions, routeTopOne } from "./routing.js";

export interface ExpertParameters {
  /** [E, C]. */
  readonly router: Parameter;
  /** [E, H, C]. */
  readonly up: Parameter;
  /** [E, C, H]. */
  readonly down: Parameter;
}

/**
 * A feed-forward layer of which each row of x [N, C] sees one expert: addend + p_e(x) · down_e · relu²(up_e · x), e
 * being the row's most likely expert. No expert has a limit, so no row is dropped.
 */
export function expertLayer(
  tape: Tape,
  x: Variable,
  { router, up, down }: ExpertParameters,
  options: RoutingOptions & { readonly addend: Variable; readonly onRouting?: (routing: Routing) => void },
): { out: Variable; balanceLoss: number } {
  const logits = linear(tape, x, router, { layout: "out-in" });
  const routing = routeTopOne(tape, logits, options);
  options.onRouting?.(routing);
  const outputs = experts(tape, gatherRows(tape, x, routing.order), routing, up, down);
  return { out: scatterRows(tape, outputs, routing, options.addend), balanceLoss: routing.balanceLoss };
}

/** Rows `order` of x. */
function gatherRows(tape: Tape, x: Variable, order: IntTensor): Variable {
  const out = tape.variable(x.value.shape);
  embeddingForward(order, x.value, out.value);
  tape.record(out, [], [], (dout) => {
    const { tensor: dx, accumulate } = tape.gradientOf(x);
    if (!accumulate) dx.data.fill(0);
    embeddingBackward(order, dout, dx);
  });
  return out;
}

/** down_e · relu²(up_e · x) for each expert's rows of x, which come in the order of experts. */
function experts(tape: Tape, x: Variable, { first }: Routing, up: Parameter, down: Parameter): Variable {
  const [rows, width] = x.value.shape as [number, number];
  const [count, hiddenSize] = up.value.shape as [number, number, number];
  const out = tape.variable([rows, width]);
  const preActivation = tape.arena.take([rows, hiddenSize]);
  const hidden = tape.arena.take([rows, hiddenSize]);
  const used = Array.from({ length: count }, (_, e) => ({
    e,
    begin: first[e] as number,
    end: first[e + 1] as number,
  })).filter(({ begin, end }) => end > begin);
  for (const { e, begin, end } of used) {
    const rowsOf = (matrix: FloatTensor) => slice(matrix, begin, end);
    const preActivationRows = { preActivation: rowsOf(preActivation) };
    matmul(rowsOf(x.value), expertOf(up.value, e), rowsOf(hidden), {
      transposeB: true,
      activation: "relu2",
      ...preActivationRows,
    });
    matmul(rowsOf(hidden), expertOf(down.value, e), rowsOf(out.value), { transposeB: true });
  }
  tape.record(out, [preActivation, hidden], [up, down], (dout) => {
    const { tensor: dx, accumulate } = tape.gradientOf(x);
    const dhidden = tape.arena.take([rows, hiddenSize]);
    for (const { e, begin, end } of used) {
      const rowsOf = (matrix: FloatTensor) => slice(matrix, begin, end);
      matmul(rowsOf(dout), rowsOf(hidden), expertOf(down.grad, e), { transposeA: true, accumulate: true });
      matmul(rowsOf(dout), expertOf(down.value, e), rowsOf(dhidden));
      activationBackward(rowsOf(dhidden), rowsOf(preActivation), rowsOf(dhidden), { kind: "relu2" });
      matmul(rowsOf(dhidden), rowsOf(x.value), expertOf(up.grad, e), { transposeA: true, accumulate: true });
      matmul(rowsOf(dhidden), expertOf(up.value, e), rowsOf(dx), { accumulate });
    }
    tape.arena.release(dhidden);
  });
  return out;
}

/** addend, to whose row order[n] gate[n] · y[n] is added; this must be the addend's last use. */
function scatterRows(tape: Tape, y: Variable, { order, gate }: Routing, addend: Variable): Variable {
  const [rows, width] = y.value.shape as [number, number];
  const out = tape.variable([rows, width]);
  out.value.data.set(addend.value.data);
  order.data.forEach((row, place) => {
    const weight = gate.value.data[place] as number;
    for (let c = 0; c < width; c++) {
      const at = row * width + c;
      out.value.data[at] = (out.value.data[at] as number) + weight * (y.value.data[place * width + c] as number);
    }
  });
  tape.record(out, [], [], (dout) => {
    const dy = tape.gradientOf(y).tensor;
    const dgate = tape.gradientOf(gate).tensor;
    order.data.forEach((row, place) => {
      const weight = gate.value.data[place] as number;
      let product = 0;
      for (let c = 0; c < width; c++) {
        const grad = dout.data[row * width + c] as number;
        product += grad * (y.value.data[place * width + c] as number);
        dy.data[place * width + c] = weight * grad;
      }
      dgate.data[place] = product;
    });
    tape.passGradient(out, addend);
  });
  return out;
}

function slice(matrix: FloatTensor, begin: number, end: number): FloatTensor {
  const width = matrix.shape[1] as number;
  return floatTensor(matrix.data.subarray(begin * width, end * width), [end - begin, width]);
}

/** Expert e's matrix of a stack of them. */
function expertOf(stack: FloatTensor, e: number): FloatTensor {
  const [, rows, columns] = stack.shape as [number, number, number];
  return floatTensor(stack.data.subarray(e * rows * columns, (e + 1) * rows * columns), [rows, columns]);
}
