// Rounding between float32 and bfloat16 (the upper half of a float32's bits): nearest, ties to even. A NaN stays a NaN
// and becomes quiet, keeping its sign and upper payload; values beyond the largest bfloat16 become infinite; subnormals
// are rounded like the rest. Elements are independent: the same bits everywhere. bf16_core.h has the formula.
#pragma once

#include <cstdint>

namespace cai {

void Bf16RoundCpu(const float* x, float* out, int64_t n);  // out may be x
void Float32ToBf16Cpu(const float* x, uint16_t* out, int64_t n);

struct Bf16ToFloat32Args {
  const uint16_t* x;
  float* out;
  int64_t n;
  float scale;
  bool accumulate;
};

// out = x · scale, added to what is there if so wished: two float32 operations, none fused.
void Bf16ToFloat32Cpu(const Bf16ToFloat32Args& args);

}  // namespace cai
