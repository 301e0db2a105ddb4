// Root mean square normalisation over rows: y = x · rstd · weight with rstd = 1 / sqrt(mean(x²) + eps).
// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
//
// Legend: R rows, C columns. A matrix is row-major with a row stride in elements. Sums run in float32 over vector lanes
// that are added pairwise at the end; rows are independent, so the result does not depend on the thread count. The weight
// gradient is summed in one partial per thread, then over the partials in order: repeatable for a given thread count.
#pragma once

#include <cstdint>

namespace cai {

struct RmsNormForwardArgs {
  const float* x;       // [R, C]
  const float* weight;  // [C]
  float* y;             // [R, C]; may be x
  float* rstd;          // [R]
  int64_t rows, columns;
  int64_t x_stride, y_stride;
  float eps;
};
void RmsNormForwardCpu(const RmsNormForwardArgs& args);

// With g = dy · weight and n = x · rstd:  dx = rstd · (g − n · mean(g · n)),  dweight += Σ_rows dy · n.
struct RmsNormBackwardArgs {
  const float* dy;      // [R, C]
  const float* x;       // [R, C]
  const float* weight;  // [C]
  const float* rstd;    // [R]
  float* dx;            // [R, C], overwritten, or added to when accumulate is set; may be dy
  float* dweight;       // [C], always added to
  int64_t rows, columns;
  int64_t dy_stride, x_stride, dx_stride;
  bool accumulate;
};
void RmsNormBackwardCpu(const RmsNormBackwardArgs& args);

}  // namespace cai
