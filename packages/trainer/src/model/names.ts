import type { ModelConfig } from "./model-config.js";

/** The tensor names of one linear layer. */
interface LinearNames {
  readonly weight: string;
  readonly bias: string;
}

/** Tensor names by role. A family that keeps queries, keys and values apart lists three names, one that fuses them one. */
export interface LayerNames {
  readonly attentionNorm: LinearNames;
  readonly qkv: readonly LinearNames[];
  readonly queryNorm: string;
  readonly keyNorm: string;
  readonly attentionOut: LinearNames;
  readonly feedForwardNorm: LinearNames;
  /** Gate and up projection, or the one input projection. */
  readonly feedForwardIn: readonly LinearNames[];
  readonly feedForwardOut: LinearNames;
}

export interface ModelNames {
  readonly embedding: string;
  readonly positions: string;
  readonly finalNorm: LinearNames;
  readonly head: string;
  layer(index: number): LayerNames;
}

const both = (prefix: string): LinearNames => ({ weight: `${prefix}.weight`, bias: `${prefix}.bias` });

const gpt2: ModelNames = {
  embedding: "wte.weight",
  positions: "wpe.weight",
  finalNorm: both("ln_f"),
  head: "lm_head.weight",
  layer: (index) => ({
    attentionNorm: both(`h.${index}.ln_1`),
    qkv: [both(`h.${index}.attn.c_attn`)],
    queryNorm: `h.${index}.attn.q_norm.weight`,
    keyNorm: `h.${index}.attn.k_norm.weight`,
    attentionOut: both(`h.${index}.attn.c_proj`),
    feedForwardNorm: both(`h.${index}.ln_2`),
    feedForwardIn: [both(`h.${index}.mlp.c_fc`)],
    feedForwardOut: both(`h.${index}.mlp.c_proj`),
  }),
};

function llama(gated: boolean): ModelNames {
  return {
    embedding: "model.embed_tokens.weight",
    positions: "model.embed_positions.weight",
    finalNorm: both("model.norm"),
    head: "lm_head.weight",
    layer: (index) => {
      const name = (part: string) => both(`model.layers.${index}.${part}`);
      return {
        attentionNorm: name("input_layernorm"),
        qkv: [name("self_attn.q_proj"), name("self_attn.k_proj"), name("self_attn.v_proj")],
        queryNorm: name("self_attn.q_norm").weight,
        keyNorm: name("self_attn.k_norm").weight,
        attentionOut: name("self_attn.o_proj"),
        feedForwardNorm: name("post_attention_layernorm"),
        feedForwardIn: gated ? [name("mlp.gate_proj"), name("mlp.up_proj")] : [name("mlp.up_proj")],
        feedForwardOut: name("mlp.down_proj"),
      };
    },
  };
}

/** The tensor names of the model's family, as Hugging Face has them. */
export function modelNames(config: ModelConfig): ModelNames {
  return config.family === "gpt2" ? gpt2 : llama(config.activation === "silu-gated");
}
