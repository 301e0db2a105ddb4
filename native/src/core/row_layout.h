// Where the rows of a rank 2 view [N, C] or a rank 3 view [N, H, C] lie when outer strides are free.
#pragma once

#include <cstdint>

namespace cai {

// The fewest rows of this many values that are worth waking a thread for.
inline int64_t RowGrain(int64_t columns) { return 1 + 4096 / (columns + 1); }

struct RowStrides {
  int64_t outer, inner;  // in elements

  int64_t Offset(int64_t n, int64_t h) const { return n * outer + h * inner; }
};

// R = outer · inner rows of C columns; a rank 2 view has inner = 1.
struct RowGrid {
  int64_t outer, inner, columns;

  int64_t rows() const { return outer * inner; }
};

}  // namespace cai
