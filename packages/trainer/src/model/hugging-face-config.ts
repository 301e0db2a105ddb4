import type { ModelConfig } from "./model-config.js";

/**
 * config.json as Hugging Face's transformers reads it, for the models that are theirs: a GPT-2 (LayerNorm, learned
 * positions, gelu, biases, tied embeddings) or a Llama (RMSNorm, rotary, silu-gated). Any other model is described by
 * its own fields under `model_type` "cai".
 */
export function huggingFaceConfig(config: ModelConfig): object {
  if (isGpt2(config)) return gpt2Config(config);
  if (isLlama(config)) return llamaConfig(config);
  return { model_type: "cai", ...config };
}

function isGpt2(config: ModelConfig): boolean {
  return (
    config.family === "gpt2" &&
    config.norm === "layernorm" &&
    config.positions === "learned" &&
    config.activation === "gelu" &&
    config.bias &&
    config.tieEmbeddings &&
    config.numKvHeads === config.numHeads &&
    config.headDim * config.numHeads === config.hiddenSize &&
    isPlain(config)
  );
}

function isLlama(config: ModelConfig): boolean {
  return (
    config.family === "llama" &&
    config.norm === "rmsnorm" &&
    config.positions === "rotary" &&
    config.activation === "silu-gated" &&
    !config.bias &&
    isPlain(config)
  );
}

/** Without the options that neither family has. */
function isPlain({ qkNorm, attentionSoftcap, logitSoftcap, window }: ModelConfig): boolean {
  return !qkNorm && attentionSoftcap === 0 && logitSoftcap === 0 && window === 0;
}

function gpt2Config(config: ModelConfig): object {
  return {
    model_type: "gpt2",
    architectures: ["GPT2LMHeadModel"],
    vocab_size: config.vocabSize,
    n_positions: config.maxSeqLen,
    n_embd: config.hiddenSize,
    n_layer: config.numLayers,
    n_head: config.numHeads,
    n_inner: config.intermediateSize,
    activation_function: "gelu_new",
    layer_norm_epsilon: config.normEps,
    initializer_range: config.initStd,
    tie_word_embeddings: true,
    torch_dtype: "float32",
  };
}

function llamaConfig(config: ModelConfig): object {
  return {
    model_type: "llama",
    architectures: ["LlamaForCausalLM"],
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numLayers,
    num_attention_heads: config.numHeads,
    num_key_value_heads: config.numKvHeads,
    head_dim: config.headDim,
    max_position_embeddings: config.maxSeqLen,
    rms_norm_eps: config.normEps,
    rope_theta: config.ropeTheta,
    hidden_act: "silu",
    attention_bias: false,
    mlp_bias: false,
    initializer_range: config.initStd,
    tie_word_embeddings: config.tieEmbeddings,
    torch_dtype: "float32",
  };
}
