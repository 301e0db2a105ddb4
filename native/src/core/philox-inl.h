// Philox4x32 in vectors: one block for each 64-bit lane. Include after <hwy/highway.h>; compiled once per target.
#if defined(CAI_CORE_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_CORE_PHILOX_INL_H_
#undef CAI_CORE_PHILOX_INL_H_
#else
#define CAI_CORE_PHILOX_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "core/philox.h"

#if HWY_TARGET != HWY_SCALAR

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

using PhiloxTag = hwy::HWY_NAMESPACE::ScalableTag<uint64_t>;
using PhiloxVec = hwy::HWY_NAMESPACE::Vec<PhiloxTag>;

// Word k of each lane's block in the low half of word[k]; what the high halves hold is left open.
struct PhiloxWords {
  PhiloxVec word[4];
};

HWY_INLINE PhiloxWords PhiloxBlocks(PhiloxVec block, uint64_t seed, uint64_t stream) {
  namespace hn = hwy::HWY_NAMESPACE;
  const PhiloxTag d;
  const hn::Repartition<uint32_t, PhiloxTag> d32;
  const auto multiplier0 = hn::Set(d32, kPhiloxMultiplier0);
  const auto multiplier1 = hn::Set(d32, kPhiloxMultiplier1);
  PhiloxVec c0 = block, c1 = hn::ShiftRight<32>(block);
  PhiloxVec c2 = hn::Set(d, stream), c3 = hn::Set(d, stream >> 32);
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const PhiloxVec product0 = hn::MulEven(hn::BitCast(d32, c0), multiplier0);
    const PhiloxVec product1 = hn::MulEven(hn::BitCast(d32, c2), multiplier1);
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), c1), hn::Set(d, static_cast<uint64_t>(key0)));
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), c3), hn::Set(d, static_cast<uint64_t>(key1)));
    c1 = product1;
    c3 = product0;
    key0 += kPhiloxWeyl0;
    key1 += kPhiloxWeyl1;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // HWY_TARGET

#endif  // include guard
