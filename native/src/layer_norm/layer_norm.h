// Layer normalisation over rows: y = (x − mean) · rstd · weight + bias with rstd = 1 / sqrt(mean((x − mean)²) + eps).
// Source: Ba, Kiros and Hinton, "Layer Normalization" (2016).
//
// Legend: C columns; rows lie in a grid of N or N by H of them (core/row_layout.h), R in all. The mean is summed over
// differences from the first value and the variance over differences from the mean, in a second pass over the cached row,
// so a large mean costs neither of them digits. Sums run in
// float32 over vector lanes that are added pairwise at the end; rows are independent, so y, mean, rstd and dx don't depend
// on the thread count. Weight and bias gradients are summed in one partial per thread, then over the partials in order:
// repeatable for a given thread count.
#pragma once

#include "core/row_layout.h"

namespace cai {

struct LayerNormForwardArgs {
  const float* x;       // grid
  const float* weight;  // [C]
  const float* bias;    // [C], or null for zeros
  float* y;             // grid; may be x
  float* mean;          // [R]
  float* rstd;          // [R]
  RowGrid grid;
  RowStrides x_strides, y_strides;
  float eps;
};
void LayerNormForwardCpu(const LayerNormForwardArgs& args);

// With g = dy · weight and n = (x − mean) · rstd:
// dx = rstd · (g − mean(g) − n · mean(g · n)),  dweight += Σ_rows dy · n,  dbias += Σ_rows dy.
struct LayerNormBackwardArgs {
  const float* dy;      // grid
  const float* x;       // grid
  const float* weight;  // [C]
  const float* mean;    // [R]
  const float* rstd;    // [R]
  float* dx;            // grid, overwritten, or added to when accumulate is set; may be dy
  float* dweight;       // [C], always added to
  float* dbias;         // [C], always added to; or null
  RowGrid grid;
  RowStrides dy_strides, x_strides, dx_strides;
  bool accumulate;
};
void LayerNormBackwardCpu(const LayerNormBackwardArgs& args);

}  // namespace cai
