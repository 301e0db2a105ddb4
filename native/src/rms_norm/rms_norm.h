// Root mean square normalisation over rows: y = x · rstd · weight with rstd = 1 / sqrt(mean(x²) + eps).
// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
//
// Legend: C columns; rows lie in a grid of N or N by H of them (core/row_layout.h), R in all. Sums run in float32 over
// vector lanes that are added pairwise at the end; rows are independent, so the result does not depend on the thread
// count. The weight gradient is summed in one partial per thread, then over the partials in order: repeatable for a given
// thread count.
#pragma once

#include "core/row_layout.h"

namespace cai {

struct RmsNormForwardArgs {
  const float* x;       // grid
  const float* weight;  // [C]
  float* y;             // grid; may be x
  float* rstd;          // [R]
  RowGrid grid;
  RowStrides x_strides, y_strides;
  float eps;
};
void RmsNormForwardCpu(const RmsNormForwardArgs& args);

// With g = dy · weight and n = x · rstd:  dx = rstd · (g − n · mean(g · n)),  dweight += Σ_rows dy · n.
struct RmsNormBackwardArgs {
  const float* dy;      // grid
  const float* x;       // grid
  const float* weight;  // [C]
  const float* rstd;    // [R]
  float* dx;            // grid, overwritten, or added to when accumulate is set; may be dy
  float* dweight;       // [C], always added to
  RowGrid grid;
  RowStrides dy_strides, x_strides, dx_strides;
  bool accumulate;
};
void RmsNormBackwardCpu(const RmsNormBackwardArgs& args);

}  // namespace cai
