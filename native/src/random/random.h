// Random fills by Philox4x32-10 (core/philox.h): element i is a function of (seed, stream, offset + i) alone. A fill of
// [offset, offset + n) is that part of the whole stream; thread count and processor make no difference to any bit.
//
// Element e uses word e mod 4 of block e / 4; random_core.h defines the step from words to values, every operation of
// it a single IEEE 754 float32 operation (+, −, ·, sqrt, never fused), which is why all processors agree.
#pragma once

#include <cstdint>

namespace cai {

struct RandomFillArgs {
  float* out;  // [n]
  int64_t n;
  uint64_t seed;    // the key
  uint64_t stream;  // the high half of the counter
  uint64_t offset;  // index in the stream of out[0]
};

// out = min(low + u · (high − low), the float32 below high), u = (word >> 8) · 2⁻²⁴: uniform in [low, high).
// Needs low < high and a finite high − low, in float32.
struct RandomUniformArgs {
  RandomFillArgs fill;
  float low, high;
};
void RandomUniformCpu(const RandomUniformArgs& args);

// out = mean + std · z, z standard normal by Box and Muller (1958) from neighbouring words; |z| ≤ 5.77.
struct RandomNormalArgs {
  RandomFillArgs fill;
  float mean, std;
};
void RandomNormalCpu(const RandomNormalArgs& args);

}  // namespace cai
