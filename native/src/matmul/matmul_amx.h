#pragma once

#include <cstdint>

#include "matmul/matmul.h"

namespace cai {
namespace matmul {

// The product on AMX tiles (amx_kernel.h), where there are any and it is large enough to pay; false: nothing was done. Each
// element's sum is the same for any number of threads. Blocks that hold an operand of 2⁶⁰ or more, NaN or infinity are
// multiplied in float32 instead.
bool MultiplyAmx(const MatmulArgs& args);

// One pass over K of a block of out, at most 32 by 32. `first` and `last`: of the passes.
struct Block {
  int64_t batch, row, rows, column, columns;
  int64_t k, depth;
  bool first, last;
};

// Both are in matmul_cpu.cc. The epilogue of alpha · sums, rows 32 apart; and those sums by multiply-adds.
void FinishBlock(const MatmulArgs& args, const Block& block, const float* sums);
void MultiplyBlock(const MatmulArgs& args, const Block& block, float* sums);

}  // namespace matmul
}  // namespace cai
