#include "sum_of_squares/sum_of_squares.h"

#include <algorithm>

#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sum_of_squares/sum_of_squares_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
constexpr size_t kPartials = 32;

// At most 8 lanes, so that there are at least four independent sums to hide the latency of an addition.
using D64 = hn::CappedTag<double, 8>;
using D32 = hn::Rebind<float, D64>;
using V64 = hn::Vec<D64>;
constexpr size_t kVectors = kPartials / HWY_MIN(8, HWY_MAX_BYTES / sizeof(double));

double SumChunk(const float* x, int64_t n) {
  const D64 d;
  const D32 d32;
  constexpr size_t lanes = kPartials / kVectors;
  HWY_ALIGN double partial[kPartials];
  V64 sums[kVectors];
  for (V64& sum : sums) sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + static_cast<int64_t>(kPartials) <= n; i += kPartials) {
    for (size_t k = 0; k < kVectors; ++k) {
      const V64 value = hn::PromoteTo(d, hn::LoadU(d32, x + i + k * lanes));
      sums[k] = hn::MulAdd(value, value, sums[k]);
    }
  }
  for (size_t k = 0; k < kVectors; ++k) hn::Store(sums[k], d, partial + k * lanes);
  for (size_t p = 0; i < n; ++i, ++p) partial[p] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (size_t half = kPartials / 2; half > 0; half /= 2) {
    for (size_t p = 0; p < half; ++p) partial[p] += partial[p + half];
  }
  return partial[0];
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(SumChunk);

double SumOfSquaresCpu(const std::vector<FloatSpan>& arrays) {
  std::vector<FloatSpan> chunks;
  for (const FloatSpan& array : arrays) {
    for (int64_t i = 0; i < array.n; i += kSumOfSquaresChunk) {
      chunks.push_back({array.data + i, std::min(kSumOfSquaresChunk, array.n - i)});
    }
  }
  std::vector<double> sums(chunks.size());
  ThreadPool::Get().ParallelRange(static_cast<int64_t>(chunks.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const size_t chunk = static_cast<size_t>(i);
      sums[chunk] = HWY_DYNAMIC_DISPATCH(SumChunk)(chunks[chunk].data, chunks[chunk].n);
    }
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

}  // namespace cai
#endif
