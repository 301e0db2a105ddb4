#pragma once

#include <cstdint>

namespace cai {

// The first position whose value is not in [0, limit), or -1.
inline int64_t FirstIndexOutside(const int32_t* indices, int64_t count, int64_t limit) {
  for (int64_t i = 0; i < count; ++i) {
    if (indices[i] < 0 || indices[i] >= limit) return i;
  }
  return -1;
}

}  // namespace cai
