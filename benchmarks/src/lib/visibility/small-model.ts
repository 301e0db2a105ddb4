// Two layers of attention between an embedding and a head, by native operations, and the gradients of a weighted loss.
import {
  crossEntropyBackward,
  crossEntropyForward,
  embeddingBackward,
  embeddingForward,
  type FloatTensor,
  floatTensor,
  type IntTensor,
  intTensor,
  matmul,
  rotary,
  zeros,
} from "@cai/native";
import { attentionBackward, attentionForward, type VisibilityMask } from "@cai/visibility-mask";

const [H, K, D, C] = [4, 2, 8, 32];
const width = (H + 2 * K) * D;
/** Of each layer; 0: none. */
const windows = [0, 11];

export type Weights = Readonly<Record<string, FloatTensor>>;

export interface LossTerms {
  /** Which token of B · T predicts, which id, and what that weighs. */
  readonly rows: Int32Array;
  readonly targets: Int32Array;
  readonly weights: Float32Array;
}

export interface SmallBatch extends LossTerms {
  readonly tokens: Int32Array;
  readonly mask: VisibilityMask;
}

/** Normal weights of the usual sizes. @param fill gives normal values. */
export function smallWeights(vocabSize: number, fill: (count: number, scale: number) => Float32Array): Weights {
  const matrix = (rows: number, columns: number) =>
    floatTensor(fill(rows * columns, 1 / Math.sqrt(rows)), [rows, columns]);
  return {
    embedding: floatTensor(fill(vocabSize * C, 1), [vocabSize, C]),
    qkv0: matrix(C, width),
    out0: matrix(H * D, C),
    qkv1: matrix(C, width),
    out1: matrix(H * D, C),
    head: matrix(C, vocabSize),
  };
}

/** The summed loss and the gradient of every weight. */
export function lossAndGradients(weights: Weights, batch: SmallBatch): { loss: number; gradients: Weights } {
  const { tokens, mask, rows } = batch;
  const of = (name: string) => weights[name] as FloatTensor;
  const gradients = Object.fromEntries(Object.entries(weights).map(([name, { shape }]) => [name, zeros(shape)]));
  const gradientOf = (name: string) => gradients[name] as FloatTensor;
  const ids = intTensor(tokens, [tokens.length]);
  let x = zeros([tokens.length, C]);
  embeddingForward(ids, of("embedding"), x);
  const layers = windows.map((window, i) => {
    const layer = new Layer(of(`qkv${i}`), of(`out${i}`), mask, window);
    x = layer.forward(x);
    return layer;
  });

  const picked = zeros([rows.length, C]);
  embeddingForward(intTensor(rows, [rows.length]), x, picked);
  const logits = zeros([rows.length, of("head").shape[1] as number]);
  matmul(picked, of("head"), logits);
  const loss = crossEntropy(logits, batch);
  matmul(picked, logits, gradientOf("head"), { transposeA: true });
  matmul(logits, of("head"), picked, { transposeB: true });

  const dx = zeros([tokens.length, C]);
  embeddingBackward(intTensor(rows, [rows.length]), picked, dx);
  for (const [i, layer] of [...layers.entries()].reverse()) {
    layer.backward(dx, gradientOf(`qkv${i}`), gradientOf(`out${i}`));
  }
  embeddingBackward(ids, dx, gradientOf("embedding"));
  return { loss, gradients };
}

/** The weighted sum; logits become their gradient. */
function crossEntropy(logits: FloatTensor, { targets, weights }: LossTerms): number {
  const R = targets.length;
  const [ids, lse, targetLogit] = [intTensor(targets, [R]), zeros([R]), zeros([R])];
  lse.data.fill(-Infinity);
  crossEntropyForward(logits, ids, lse, targetLogit);
  crossEntropyBackward(logits, ids, lse, floatTensor(weights, [R]));
  return weights.reduce(
    (sum, weight, r) => sum + weight * ((lse.data[r] as number) - (targetLogit.data[r] as number)),
    0,
  );
}

/** x + attention(x · qkv) · out, with rotary positions. */
class Layer {
  #x: FloatTensor | undefined;
  readonly #fused: FloatTensor;
  readonly #mixed: FloatTensor;
  readonly #lse: FloatTensor;
  readonly #positions: IntTensor;

  constructor(
    private readonly qkv: FloatTensor,
    private readonly out: FloatTensor,
    private readonly mask: VisibilityMask,
    private readonly window: number,
  ) {
    const { batchSize: B, seqLen: T } = mask;
    this.#fused = zeros([B * T, width]);
    this.#mixed = zeros([B * T, H * D]);
    this.#lse = zeros([B, H, T]);
    const positions = new Int32Array(B * T).map((_, i) => mask.position(i % T, Math.floor(i / T)));
    this.#positions = intTensor(positions, [B, T]);
  }

  forward(x: FloatTensor): FloatTensor {
    this.#x = x;
    matmul(x, this.qkv, this.#fused);
    this.#turn(this.#fused, false);
    attentionForward(...this.#heads(this.#fused), this.#all(this.#mixed), this.#lse, this.#options());
    const y = zeros(x.shape);
    matmul(this.#mixed, this.out, y, { addend: x });
    return y;
  }

  /** dx becomes the gradient of the layer's input. */
  backward(dx: FloatTensor, dqkv: FloatTensor, dout: FloatTensor): void {
    const [dmixed, dfused] = [zeros(this.#mixed.shape), zeros(this.#fused.shape)];
    matmul(this.#mixed, dx, dout, { transposeA: true });
    matmul(dx, this.out, dmixed, { transposeB: true });
    const [q, k, v] = this.#heads(this.#fused);
    const gradients = this.#heads(dfused);
    const [mixed, options] = [this.#all(this.#mixed), this.#options()];
    attentionBackward(this.#all(dmixed), q, k, v, mixed, this.#lse, ...gradients, options);
    this.#turn(dfused, true);
    matmul(this.#x as FloatTensor, dfused, dqkv, { transposeA: true });
    matmul(dfused, this.qkv, dx, { transposeB: true, accumulate: true });
  }

  #options() {
    return { mask: this.mask, window: this.window };
  }

  #turn(fused: FloatTensor, inverse: boolean): void {
    const turned = this.#view(fused, 0, H + K, width);
    rotary(turned, rotations, this.#positions, turned, { inverse });
  }

  #heads(fused: FloatTensor) {
    return [
      this.#view(fused, 0, H, width),
      this.#view(fused, H, K, width),
      this.#view(fused, H + K, K, width),
    ] as const;
  }

  #all(matrix: FloatTensor): FloatTensor {
    return this.#view(matrix, 0, H, H * D);
  }

  #view({ data }: FloatTensor, first: number, count: number, row: number): FloatTensor {
    const { batchSize: B, seqLen: T } = this.mask;
    return floatTensor(data.subarray(first * D), [B, T, count, D], [T * row, row, D, 1]);
  }
}

const rotations = rotaryTable(1024);

function rotaryTable(positions: number): FloatTensor {
  const table = zeros([positions, D / 2, 2]);
  for (let pair = 0; pair < (positions * D) / 2; pair++) {
    const angle = Math.floor((2 * pair) / D) * 10_000 ** (-(pair % (D / 2)) / (D / 2));
    table.data.set([Math.cos(angle), Math.sin(angle)], 2 * pair);
  }
  return table;
}
