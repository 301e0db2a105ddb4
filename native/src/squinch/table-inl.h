// Looking up tables of up to 16 values in vectors. Compiled once per target.
#if defined(CAI_SQUINCH_TABLE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_SQUINCH_TABLE_INL_H_
#undef CAI_SQUINCH_TABLE_INL_H_
#else
#define CAI_SQUINCH_TABLE_INL_H_
#endif

#include <hwy/highway.h>

// The targets that have vector kernels here. The others work block by block.
#define CAI_SQUINCH_VECTORS (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3)

#if CAI_SQUINCH_VECTORS

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using DU = hn::RebindToUnsigned<D>;
using DI = hn::RebindToSigned<D>;
using V = hn::Vec<D>;
using VU = hn::Vec<DU>;
using VI = hn::Vec<DI>;
constexpr size_t kLanes = HWY_MAX_BYTES / sizeof(float);

// Entry `index` of a table in a vector. Upper bits of an index beyond the vector's size are ignored, which Highway's own
// index type would refuse.
HWY_INLINE V Lookup(V table, VU index) {
#if HWY_TARGET == HWY_AVX3
  return hn::TableLookupLanes(table, hn::Indices512<float>{index.raw});
#else
  return hn::TableLookupLanes(table, hn::Indices256<float>{index.raw});
#endif
}

// A table of 16 entries; upper bits of an index are ignored.
struct Table16 {
  V low, high;
  explicit Table16(const float* table) : low(hn::LoadU(D(), table)), high(hn::LoadU(D(), table + 16 - kLanes)) {}
  HWY_INLINE V operator[](VU index) const {
#if HWY_TARGET == HWY_AVX3
    return Lookup(low, index);
#else
    const auto is_high = hn::MaskFromVec(hn::BitCast(D(), hn::ShiftLeft<28>(index)));
    return hn::IfThenElse(is_high, Lookup(high, index), Lookup(low, index));
#endif
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // CAI_SQUINCH_VECTORS

#endif  // include guard
