// Scaled dot-product attention with visibility by key, never storing the T x S square.
//   logit(i, j) = scale · q_i · k_j, or softcap · tanh(scale · q_i · k_j / softcap) when softcap > 0
//   out_i = Σ_j softmax_j(logit(i, ·)) · v_j over the keys that query i sees,   lse_i = log Σ_j exp(logit(i, j))
// Sources: Dao, "FlashAttention-2" (2023), for the online softmax and the backward pass that recomputes probabilities from
// lse; Ainslie et al., "GQA" (2023), for shared key-value heads; Gemma 2 (2024) for the soft-cap.
//
// Legend: B batch, T queries, S keys, H query heads, K key-value heads (H a multiple of K; query head h reads key-value
// head h / (H / K)), D head dimension, 1 or more.
//
// Visibility: query t has the cache index i = query_offset + t, or query_indices[t], below 2^31 − 1 and in any order,
// where they are given.
// Key j is visible to it exactly when start[j] <= i < limit[j]; without the two arrays start[j] = j and limit[j] is unbounded (causal). With window w > 0 also
// 0 <= query position − key position < w, positions being the indices unless arrays are given.
// 0 <= start[j] <= limit[j]; a limit past the last query is allowed and means "still visible to later queries", so one
// array serves a cache that grows. Positions and indices are not negative. CheckAttentionMask throws OpError(kArgument) naming the
// first entry that breaks this; the kernels rely on it.
//
// A query that sees nobody: output 0, lse −infinity, gradients 0. NaN and infinity reach only what sees them: hidden
// cells are selected away, never multiplied by zero.
//
// Memory beside the arguments: O(B · S) for the mask, O(S · D) a thread for packed tiles (fewer where a window or documents
// keep few of them in use at a time), and in the backward pass, where B · K < 8, up to 8 / (B · K) copies of dk and dv.
//
// Numerics: float32 throughout. Products over D and over keys sum in index order with fused multiply-adds, tile of 64 keys
// by tile; a probability errs by 1e-7 relative beyond the rounding of its logit. Results have the same bits for any number of threads.
#pragma once

#include <cstdint>

namespace cai {

struct AttentionShape {
  int64_t batch, queries, keys, heads, kv_heads, dim;
};

// [B, T or S, heads, D] with the last dimension dense; strides in elements.
template <typename T>
struct HeadsView {
  T* data;
  int64_t batch_stride, token_stride, head_stride;

  T* at(int64_t b, int64_t token, int64_t head) const {
    return data + b * batch_stride + token * token_stride + head * head_stride;
  }
};

struct AttentionMask {
  const int32_t* start;            // [B, S], or null together with limit
  const int32_t* limit;            // [B, S]
  const int32_t* query_indices;    // [B, T], or null; query_offset is then not read
  const int32_t* query_positions;  // [B, T], or null
  const int32_t* key_positions;    // [B, S], or null
  int64_t query_offset;
  int32_t window;  // 0: none
};

void CheckAttentionMask(const AttentionShape& shape, const AttentionMask& mask);

struct AttentionForwardArgs {
  AttentionShape shape;
  AttentionMask mask;
  HeadsView<const float> q;  // [B, T, H, D]
  HeadsView<const float> k;  // [B, S, K, D]
  HeadsView<const float> v;  // [B, S, K, D]
  HeadsView<float> out;      // [B, T, H, D], overwritten
  float* lse;                // [B, H, T], overwritten
  float scale;
  float softcap;  // 0: none
};
void AttentionForwardCpu(const AttentionForwardArgs& args);

// With P the probabilities and delta = rowsum(dout · out): dv = Pᵀ dout, dS = P · (dout vᵀ − delta), dq = scale · dS k,
// dk = scale · dSᵀ q (dS times 1 − (logit / softcap)² where there is a soft-cap). Query heads that share a key-value head
// are summed in index order.
// Where zreg_coefficients are given, delta − 2 · c · (lse − z0) stands for delta in rows that see something: dS then carries
// the gradient of Σ c · (lse − z0)² as well.
struct AttentionBackwardArgs {
  AttentionShape shape;
  AttentionMask mask;
  HeadsView<const float> dout;  // [B, T, H, D]
  HeadsView<const float> q;     // [B, T, H, D]
  HeadsView<const float> k;     // [B, S, K, D]
  HeadsView<const float> v;     // [B, S, K, D]
  HeadsView<const float> out;   // [B, T, H, D], from the forward pass
  const float* lse;             // [B, H, T], from the forward pass
  HeadsView<float> dq;          // [B, T, H, D], overwritten
  HeadsView<float> dk;          // [B, S, K, D], overwritten
  HeadsView<float> dv;          // [B, S, K, D], overwritten
  float scale;
  float softcap;
  const float* zreg_coefficients;  // [H], c of each query head, or null
  const float* zreg_targets;       // [B, T], z0, or null: 0
};
void AttentionBackwardCpu(const AttentionBackwardArgs& args);

}  // namespace cai
