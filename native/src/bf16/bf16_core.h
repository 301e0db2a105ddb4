// bfloat16 on bit patterns, shared by CPU and CUDA.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace cai {

constexpr uint32_t kFloat32Infinity = 0x7F800000u;
constexpr uint32_t kFloat32Magnitude = 0x7FFFFFFFu;
constexpr uint32_t kFloat32QuietBit = 0x00400000u;

// Bits of a float32 to bits of the nearest bfloat16, ties to even.
CAI_HOST_DEVICE inline uint16_t Bf16Bits(uint32_t bits) {
  const bool is_nan = (bits & kFloat32Magnitude) > kFloat32Infinity;
  // Adding just under half a unit, or half where the last kept bit is odd, carries exactly when rounding up.
  const uint32_t rounded = is_nan ? bits | kFloat32QuietBit : bits + 0x7FFFu + ((bits >> 16) & 1u);
  return static_cast<uint16_t>(rounded >> 16);
}

}  // namespace cai
