// What the files of this op share.
#pragma once

#include <cstdint>

#include "squinch/squinch.h"

namespace cai {

// What to ask the memory for while a piece is encoded, a line for each 16 of its values; null, or even past an array.
struct SquinchAhead {
  const float *first, *second;
};

// What came up while blocks were encoded.
struct SquinchFound {
  bool non_finite = false;
  int64_t zeros = 0;
};

// Sums for the gain, one for each place in a block.
struct SquinchPlaceSums {
  double dot[kSquinchBlock], square[kSquinchBlock];
};

// SquinchDecodeCpu on the calling thread alone.
void SquinchDecodeHere(const SquinchDecodeArgs& args);

}  // namespace cai
