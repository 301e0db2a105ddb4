// Rotary positions: the pair (x[i], x[i + D/2]) of every head is turned by the angle of its position and i, as Llama has
// it. The inverse turns back, which is also the gradient. Source: Su et al., "RoFormer" (2021).
//
// Legend: B batch, T sequence, H heads, D head size, P positions of the table. No sums: the same bits for any number of
// threads.
#pragma once

#include <cstdint>

namespace cai {

struct RotaryStrides {
  int64_t batch, sequence, head;  // in elements
};

struct RotaryArgs {
  const float* x;            // [B, T, H, D]
  const float* table;        // [P, D/2, 2]: cosine and sine
  const int32_t* positions;  // [B, T], each in [0, P); null for offset, offset + 1, ... in every sequence
  float* out;                // [B, T, H, D], overwritten; may be x
  int64_t batch, sequence, heads, head_size;
  RotaryStrides x_strides, out_strides;
  int64_t offset;
  bool inverse;
};
void RotaryCpu(const RotaryArgs& args);

}  // namespace cai
