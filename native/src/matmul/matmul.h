// Matrix product with a fused epilogue: out = act(alpha · op(a) · op(b) + bias) + (accumulate ? out : addend), op(x) being
// x or its transpose. Source: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008); Van Zee
// and van de Geijn, "BLIS" (2015).
//
// Legend: B batch, M rows and N columns of the result, K the summed dimension. Matrices are row-major with a row stride in
// elements. Sums run in float32: each element is a chain of multiply-adds in order of k (with few rows and transpose_b, one
// chain a vector lane), cut into blocks of a few hundred that are added in order. The work is cut by the pool's size; where
// out is small and K deep also along K, the threads' sums then being added in order: bitwise repeatable for a given size.
// Nothing is skipped, so 0 · infinity and NaN show. K = 0 gives act(bias) + ...
//
// Large products run on AMX where the processor has it: operands split into three bfloat16 parts, sums of their products in
// float32 tiles (amx_kernel.h). Parts and sums below 2⁻¹²⁶ count as zero there: operands below about 2⁻¹¹⁰ lose relative
// precision, a term at most 2⁻¹²⁴ · max(1, |a|, |b|). Blocks with an operand of 2⁶⁰ or more, infinity or NaN run in float32.
#pragma once

#include <cstdint>

namespace cai {

enum class Activation { kNone, kRelu2, kGelu };

// A matrix as it is stored. A batch stride of 0 shares one matrix between all products.
struct MatrixIn {
  const float* data = nullptr;
  int64_t stride = 0;
  int64_t batch_stride = 0;
};

struct MatrixOut {
  float* data = nullptr;
  int64_t stride = 0;
  int64_t batch_stride = 0;
};

struct MatmulArgs {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  MatrixIn a;  // [B, M, K], or [B, K, M] with transpose_a
  MatrixIn b;  // [B, K, N], or [B, N, K] with transpose_b
  bool transpose_a = false, transpose_b = false;
  MatrixOut out;  // [B, M, N]; overlaps no input but the addend, which may be it
  float alpha = 1.0f;
  const float* bias = nullptr;  // [N], or [B, N] with a bias_batch_stride
  int64_t bias_batch_stride = 0;
  Activation activation = Activation::kNone;
  MatrixOut pre_activation;  // [B, M, N]: alpha · op(a) · op(b) + bias, where data is set
  MatrixIn addend;           // [B, M, N], where data is set; not together with accumulate
  bool accumulate = false;
};
void MatmulCpu(const MatmulArgs& args);

// dbias[c] += Σ_r dy[r, c], the rows summed in one partial per thread, then the partials in order.
struct BiasBackwardArgs {
  const float* dy;  // [R, C]
  float* dbias;     // [C]
  int64_t rows, columns, dy_stride;
};
void BiasBackwardCpu(const BiasBackwardArgs& args);

}  // namespace cai
