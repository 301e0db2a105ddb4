// Elementwise activations y = f(x) and their gradients dx = dy · f'(x); f in activation-inl.h, shared with the matrix
// product's epilogue.
//
// Legend: N rows, C columns, row strides in elements. No sums: the same bits for any number of threads.
#pragma once

#include <cstdint>

namespace cai {

enum class ActivationKind { kRelu2, kGelu };

struct ActivationForwardArgs {
  const float* x;  // [N, C]
  float* y;        // [N, C]; may be x
  int64_t rows, columns;
  int64_t x_stride, y_stride;
  ActivationKind kind;
};
void ActivationForwardCpu(const ActivationForwardArgs& args);

struct ActivationBackwardArgs {
  const float* dy;  // [N, C]
  const float* x;   // [N, C]
  float* dx;        // [N, C], overwritten; may be dy or x
  int64_t rows, columns;
  int64_t dy_stride, x_stride, dx_stride;
  ActivationKind kind;
};
void ActivationBackwardCpu(const ActivationBackwardArgs& args);

}  // namespace cai
