#pragma once

#include <cstddef>

namespace cai {

// out[i] = ((parts[0][i] + parts[1][i]) + parts[2][i]) + ... in float32: the order of ranks, whatever the order in which
// the parts came. `out` may be one of the parts.
void SumInOrder(const float* const* parts, int count, float* out, size_t n);

}  // namespace cai
