// Rows of a table by id: out[n] = weight[ids[n]], and its gradient, the scatter-add dweight[ids[n]] += dout[n].
//
// Legend: N ids, V rows of the table, C columns. Backward splits the columns among the threads, each of which goes through
// all ids in order: no atomics, and the same bits for any number of threads.
#pragma once

#include <cstdint>

namespace cai {

struct EmbeddingForwardArgs {
  const int32_t* ids;   // [N], each in [0, V)
  const float* weight;  // [V, C]
  float* out;           // [N, C], overwritten, or added to when accumulate is set
  int64_t count, columns;
  int64_t weight_stride, out_stride;
  bool accumulate;
};
void EmbeddingForwardCpu(const EmbeddingForwardArgs& args);

struct EmbeddingBackwardArgs {
  const int32_t* ids;  // [N], each in [0, V)
  const float* dout;   // [N, C]
  float* dweight;      // [V, C], always added to
  int64_t count, columns;
  int64_t dout_stride, dweight_stride;
};
void EmbeddingBackwardCpu(const EmbeddingBackwardArgs& args);

}  // namespace cai
