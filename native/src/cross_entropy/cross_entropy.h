// Cross-entropy over rows of logits with its logsumexp kept, in chunks of the vocabulary so that logits need not all exist
// at once: loss[r] = lse[r] − targetLogit[r].
//
// Legend: R rows, C columns of this chunk, which holds tokens vocab_start ... vocab_start + C − 1. A row whose target is
// negative is ignored. Forward reads the logits once, block by block: the block's maximum, then float32 sums of
// exponentials in vector lanes, joined in double precision. Rows are independent: the same bits for any number of threads.
#pragma once

#include <cstdint>

namespace cai {

// lse = log(e^lse + Σ e^logits); -infinity to begin with. Ignored rows are left as they are.
struct CrossEntropyForwardArgs {
  const float* logits;     // [R, C]
  const int32_t* targets;  // [R]
  float* lse;              // [R], updated
  float* target_logit;     // [R], written where this chunk holds the target
  int64_t rows, columns;
  int64_t logits_stride;
  int64_t vocab_start;
};
void CrossEntropyForwardCpu(const CrossEntropyForwardArgs& args);

// logits = dloss · (e^(logits − lse) − [token is target]); 0 in ignored rows.
struct CrossEntropyBackwardArgs {
  float* logits;           // [R, C], replaced by their gradient
  const int32_t* targets;  // [R]
  const float* lse;        // [R], over the whole vocabulary
  const float* dloss;      // [R]
  int64_t rows, columns;
  int64_t logits_stride;
  int64_t vocab_start;
};
void CrossEntropyBackwardCpu(const CrossEntropyBackwardArgs& args);

}  // namespace cai
