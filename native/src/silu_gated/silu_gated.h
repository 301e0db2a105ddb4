// The gated feed-forward's middle: y = silu(gate) · up with silu(g) = g · s and s = 1 / (1 + e^−g).
// Source: Shazeer, "GLU Variants Improve Transformer" (2020).
//
// Legend: N rows, F columns, row strides in elements. No sums: the same bits for any number of threads.
#pragma once

#include <cstdint>

namespace cai {

struct SiluGatedForwardArgs {
  const float* gate;  // [N, F]
  const float* up;    // [N, F]
  float* y;           // [N, F]; may be gate or up
  int64_t rows, columns;
  int64_t gate_stride, up_stride, y_stride;
};
void SiluGatedForwardCpu(const SiluGatedForwardArgs& args);

// dgate = dy · up · s · (1 + gate · (1 − s)),  dup = dy · gate · s.
struct SiluGatedBackwardArgs {
  const float* dy;    // [N, F]
  const float* gate;  // [N, F]
  const float* up;    // [N, F]
  float* dgate;       // [N, F], overwritten; may be any input
  float* dup;         // [N, F], overwritten; may be any input that dgate is not
  int64_t rows, columns;
  int64_t dy_stride, gate_stride, up_stride, dgate_stride, dup_stride;
};
void SiluGatedBackwardCpu(const SiluGatedBackwardArgs& args);

}  // namespace cai
