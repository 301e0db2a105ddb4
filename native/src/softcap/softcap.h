// tanh soft-cap, elementwise: y = cap · tanh(x / cap), and its gradient from the output: dx = dy · (1 − (y / cap)²).
// Source: Gemma Team, "Gemma 2", 2024.
//
// Legend: N rows, C columns, row strides in elements. No sums: the same bits for any number of threads.
#pragma once

#include <cstdint>

namespace cai {

struct SoftcapForwardArgs {
  const float* x;  // [N, C]
  float* y;        // [N, C]; may be x
  int64_t rows, columns;
  int64_t x_stride, y_stride;
  float cap;
};
void SoftcapForwardCpu(const SoftcapForwardArgs& args);

struct SoftcapBackwardArgs {
  const float* dy;  // [N, C]
  const float* y;   // [N, C], the forward pass's output
  float* dx;        // [N, C], overwritten; may be dy or y
  int64_t rows, columns;
  int64_t dy_stride, y_stride, dx_stride;
  float cap;
};
void SoftcapBackwardCpu(const SoftcapBackwardArgs& args);

}  // namespace cai
