// One row of float32 partial sums for each thread of a region, added up in order afterwards: column sums that are
// repeatable for a given pool size.
#pragma once

#include <cstdint>
#include <vector>

#include "core/thread_pool.h"

namespace cai {

class PartialSums {
 public:
  explicit PartialSums(int64_t columns)
      : columns_(columns), stride_((columns + kLine - 1) / kLine * kLine + kLine), parts_(ThreadPool::Get().size()),
        sums_(static_cast<size_t>(parts_ * stride_), 0.0f) {}

  float* Of(int64_t part) { return sums_.data() + part * stride_; }

  // out += every part, first to last.
  void AddTo(float* out) const {
    for (int64_t part = 0; part < parts_; ++part) {
      const float* sums = sums_.data() + part * stride_;
      for (int64_t i = 0; i < columns_; ++i) out[i] += sums[i];
    }
  }

 private:
  static constexpr int64_t kLine = 16;  // floats in a cache line, which no two threads should share
  int64_t columns_, stride_, parts_;
  std::vector<float> sums_;
};

}  // namespace cai
