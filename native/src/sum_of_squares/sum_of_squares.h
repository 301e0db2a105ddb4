// Σ x² over several arrays, for the global gradient norm.
//
// A float32 squared is exact in double precision. Each array is cut into chunks of kSumOfSquaresChunk elements; a chunk
// is summed in 32 partial sums (element i goes to partial i mod 32), which are added pairwise, halves upon halves; chunks
// are added in order. All of that is independent of threads and processor, so the result has the same bits everywhere.
// NaN and infinity propagate; nothing can overflow.
#pragma once

#include <cstdint>
#include <vector>

namespace cai {

constexpr int64_t kSumOfSquaresChunk = 16384;

struct FloatSpan {
  const float* data;
  int64_t n;
};
double SumOfSquaresCpu(const std::vector<FloatSpan>& arrays);

}  // namespace cai
