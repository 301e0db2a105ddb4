import type { Recipe } from "../../src/config/recipe.js";

type Matrix = number[][];
type Weights = ReadonlyMap<string, { data: Float32Array; shape: readonly number[] }>;

/**
 * The logits of one row of tokens in double precision, written from the definitions: every head by itself, the whole
 * square of scores, separate queries, keys and values.
 */
export function referenceLogits(config: Recipe["model"], weights: Weights, tokens: ArrayLike<number>): Matrix {
  const model = new Reference(config, weights);
  return model.logits(Array.from(tokens));
}

/** The mean cross-entropy of next-token prediction over one row; a target of −1 counts nothing. */
export function referenceLoss(logits: Matrix, targets: ArrayLike<number>): number {
  return logits.reduce((sum, row, i) => {
    const target = targets[i] as number;
    if (target < 0) return sum;
    const top = Math.max(...row);
    return sum + top + Math.log(row.reduce((mass, x) => mass + Math.exp(x - top), 0)) - (row[target] as number);
  }, 0);
}

class Reference {
  constructor(
    private readonly config: Recipe["model"],
    private readonly weights: Weights,
  ) {}

  logits(tokens: number[]): Matrix {
    const { config } = this;
    const gpt2 = config.family === "gpt2";
    const table = this.matrix(gpt2 ? "wte.weight" : "model.embed_tokens.weight");
    let x = tokens.map((token) => [...(table[token] as number[])]);
    if (config.positions === "learned") {
      const positions = this.matrix(gpt2 ? "wpe.weight" : "model.embed_positions.weight");
      x = x.map((row, t) => row.map((value, c) => value + (positions[t]?.[c] as number)));
    }
    for (let layer = 0; layer < config.numLayers; layer++) {
      const at = gpt2 ? `h.${layer}.` : `model.layers.${layer}.`;
      const normed = this.norm(x, at + (gpt2 ? "ln_1" : "input_layernorm"));
      x = add(x, this.linear(this.attention(normed, at, layer), at + (gpt2 ? "attn.c_proj" : "self_attn.o_proj")));
      const inner = this.norm(x, at + (gpt2 ? "ln_2" : "post_attention_layernorm"));
      x = add(x, this.linear(this.feedForward(inner, at), at + (gpt2 ? "mlp.c_proj" : "mlp.down_proj")));
    }
    const final = this.norm(x, gpt2 ? "ln_f" : "model.norm");
    const head = config.tieEmbeddings ? table : this.matrix("lm_head.weight");
    const cap = config.logitSoftcap;
    return final.map((row) => head.map((w) => soften(dot(row, w), cap)));
  }

  private attention(x: Matrix, at: string, layer: number): Matrix {
    const { numHeads, numKvHeads, headDim, family } = this.config;
    const sizes = [numHeads * headDim, numKvHeads * headDim, numKvHeads * headDim] as const;
    let parts: Matrix[];
    if (family === "gpt2") {
      const fused = this.linear(x, `${at}attn.c_attn`);
      parts = sizes.map((size, i) => {
        const begin = sizes.slice(0, i).reduce((sum, s) => sum + s, 0);
        return fused.map((row) => row.slice(begin, begin + size));
      });
    } else parts = ["q", "k", "v"].map((name) => this.linear(x, `${at}self_attn.${name}_proj`));
    const [q, k, v] = parts as [Matrix, Matrix, Matrix];
    const window = (layer + 1) % this.config.globalEvery === 0 ? 0 : this.config.window;
    const out: Matrix = x.map(() => []);
    for (let h = 0; h < numHeads; h++) {
      const kv = Math.floor(h / (numHeads / numKvHeads));
      const head = (m: Matrix, i: number) => m.map((row) => row.slice(i * headDim, (i + 1) * headDim));
      const qh = this.placed(head(q, h), `${at}self_attn.q_norm.weight`);
      const kh = this.placed(head(k, kv), `${at}self_attn.k_norm.weight`);
      const vh = head(v, kv);
      for (let i = 0; i < x.length; i++) {
        const seen = x.map((_, j) => j).filter((j) => j <= i && (window === 0 || i - j < window));
        const scores = seen.map((j) =>
          soften(dot(qh[i] as number[], kh[j] as number[]) / Math.sqrt(headDim), this.config.attentionSoftcap),
        );
        const top = Math.max(...scores);
        const mass = scores.map((s) => Math.exp(s - top));
        const total = mass.reduce((sum, m) => sum + m, 0);
        for (let d = 0; d < headDim; d++) {
          out[i]?.push(seen.reduce((sum, j, n) => sum + ((mass[n] as number) / total) * (vh[j]?.[d] as number), 0));
        }
      }
    }
    return out;
  }

  /** A head's rows after QK-norm and rotation. */
  private placed(head: Matrix, normName: string): Matrix {
    const { qkNorm, positions, ropeTheta, headDim, normEps } = this.config;
    const normed = qkNorm ? rms(head, this.vector(normName), normEps) : head;
    if (positions !== "rotary") return normed;
    const half = headDim / 2;
    return normed.map((row, t) =>
      row.map((value, d) => {
        const angle = t * ropeTheta ** (-(d % half) / half);
        const partner = row[d < half ? d + half : d - half] as number;
        return value * Math.cos(angle) + (d < half ? -partner : partner) * Math.sin(angle);
      }),
    );
  }

  private feedForward(x: Matrix, at: string): Matrix {
    const { activation, family } = this.config;
    if (activation === "silu-gated") {
      const up = this.linear(x, `${at}mlp.up_proj`);
      return this.linear(x, `${at}mlp.gate_proj`).map((row, t) =>
        row.map((g, f) => (g / (1 + Math.exp(-g))) * (up[t]?.[f] as number)),
      );
    }
    const inner = this.linear(x, at + (family === "gpt2" ? "mlp.c_fc" : "mlp.up_proj"));
    const relu2 = (z: number) => Math.max(0, z) ** 2;
    const gelu = (z: number) => 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
    return inner.map((row) => row.map(activation === "relu2" ? relu2 : gelu));
  }

  private norm(x: Matrix, name: string): Matrix {
    const gain = this.vector(`${name}.weight`);
    if (this.config.norm === "rmsnorm") return rms(x, gain, this.config.normEps);
    const shift = this.vector(`${name}.bias`);
    return x.map((row) => {
      const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
      const rstd = 1 / Math.sqrt(variance + this.config.normEps);
      return row.map((value, c) => (value - mean) * rstd * (gain[c] as number) + (shift[c] as number));
    });
  }

  private linear(x: Matrix, name: string): Matrix {
    const stored = this.matrix(`${name}.weight`);
    const rows = this.config.family === "gpt2" ? transpose(stored) : stored;
    const bias = this.config.bias ? this.vector(`${name}.bias`) : [];
    return x.map((row) => rows.map((w, o) => dot(row, w) + (bias[o] ?? 0)));
  }

  private vector(name: string): number[] {
    return Array.from((this.weights.get(name) as { data: Float32Array }).data);
  }

  private matrix(name: string): Matrix {
    const [rows, columns] = (this.weights.get(name) as { shape: readonly number[] }).shape as [number, number];
    const flat = this.vector(name);
    return Array.from({ length: rows }, (_, r) => flat.slice(r * columns, (r + 1) * columns));
  }
}

const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
const add = (a: Matrix, b: Matrix) => a.map((row, t) => row.map((value, c) => value + (b[t]?.[c] as number)));
const transpose = (m: Matrix) => (m[0] as number[]).map((_, c) => m.map((row) => row[c] as number));
const soften = (x: number, cap: number) => (cap > 0 ? cap * Math.tanh(x / cap) : x);

function rms(x: Matrix, gain: number[], eps: number): Matrix {
  return x.map((row) => {
    const rstd = 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / row.length + eps);
    return row.map((value, c) => value * rstd * (gain[c] as number));
  });
}
