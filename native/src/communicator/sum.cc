#include "communicator/sum.h"

#include <algorithm>
#include <cstring>

namespace cai {
namespace {

// Stays in the first-level cache while all parts are added.
constexpr size_t kBlock = 2048;

}  // namespace

void SumInOrder(const float* const* parts, int count, float* out, size_t n) {
  float sum[kBlock];
  for (size_t start = 0; start < n; start += kBlock) {
    const size_t length = std::min(kBlock, n - start);
    std::memcpy(sum, parts[0] + start, length * sizeof(float));
    for (int part = 1; part < count; ++part) {
      const float* values = parts[part] + start;
      for (size_t i = 0; i < length; ++i) sum[i] += values[i];
    }
    std::memcpy(out + start, sum, length * sizeof(float));
  }
}

}  // namespace cai
