// Encoding of whole blocks in vectors: a lane for each block. Compiled once per target.
#if defined(CAI_SQUINCH_ENCODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_SQUINCH_ENCODE_INL_H_
#undef CAI_SQUINCH_ENCODE_INL_H_
#else
#define CAI_SQUINCH_ENCODE_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "squinch/columns-inl.h"
#include "squinch/rounding-inl.h"
#include "squinch/squinch_blocks.h"

#if CAI_SQUINCH_VECTORS

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

template <typename Group>
HWY_INLINE void Code(const Group& group, const Columns& columns, const Scales& scales, bool signed_zero, VU& signs,
                     VU& codes) {
  const DU du;
  const auto add = [&](auto place) {
    constexpr int j = decltype(place)::value;
    const Coded coded = group(j, columns.value[j], scales, signed_zero);
    codes = hn::Or(codes, hn::ShiftLeft<4 * j>(coded.code));
    signs = hn::Or(signs, hn::IfThenElseZero(hn::RebindMask(du, coded.negative), hn::Set(du, 1u << j)));
  };
  add(std::integral_constant<int, 0>());
  add(std::integral_constant<int, 1>());
  add(std::integral_constant<int, 2>());
  add(std::integral_constant<int, 3>());
  add(std::integral_constant<int, 4>());
  add(std::integral_constant<int, 5>());
  add(std::integral_constant<int, 6>());
  add(std::integral_constant<int, 7>());
}

struct Range {
  VU least, most;  // of the bits of |v| in each block
};
HWY_INLINE Range RangeOf(const Columns& columns) {
  const DU du;
  const VU magnitude = hn::Set(du, 0x7FFFFFFFu);
  VU least = hn::And(hn::BitCast(du, columns.value[0]), magnitude), most = least;
  for (int j = 1; j < kSquinchBlock; ++j) {
    const VU bits = hn::And(hn::BitCast(du, columns.value[j]), magnitude);
    least = hn::Min(least, bits);
    most = hn::Max(most, bits);
  }
  return {least, most};
}

HWY_INLINE int64_t CountZeros(const Columns& columns, hn::Mask<DU> dead) {
  const D d;
  int64_t zeros = 0;
  for (const V& value : columns.value) {
    zeros += static_cast<int64_t>(
        hn::CountTrue(DU(), hn::AndNot(dead, hn::RebindMask(DU(), hn::Eq(value, hn::Zero(d))))));
  }
  return zeros;
}

template <typename Law>
HWY_INLINE void EncodeGroup(const SquinchEncoder& e, const Law& law, const float* v, uint64_t first_block, uint8_t* out,
                            SquinchFound* found) {
  const D d;
  const DU du;
  const DI di;
  const Columns columns = LoadColumns(v);
  const Range range = RangeOf(columns);
  const VU inside = hn::Min(hn::Max(range.most, hn::Set(du, e.scales.first)), hn::Set(du, e.scales.last));
  const VU bucket = hn::ShiftRight<SquinchScaleIndex::kShift>(inside);
  const VU add = hn::BitCast(
      du, hn::GatherIndex(di, reinterpret_cast<const int32_t*>(e.scales.add), hn::BitCast(di, bucket)));
  const VU q = hn::ShiftRight<SquinchScaleIndex::kShift>(hn::Add(inside, add));
  const VI index = hn::BitCast(di, q);
  const Scales scales{q, hn::GatherIndex(d, e.tables.inverses, index), hn::GatherIndex(d, e.tables.maxima, index)};
  VU signs = hn::Zero(du), codes = hn::Zero(du);
  const auto group = law.Begin(first_block);
  if (e.tables.signed_zero) {
    Code(group, columns, scales, true, signs, codes);
  } else {
    Code(group, columns, scales, false, signs, codes);
  }
  const auto dead = hn::Eq(q, hn::Zero(du));
  StoreRecords(q, hn::IfThenZeroElse(dead, signs), hn::IfThenZeroElse(dead, codes), out);
  if (!hn::AllFalse(du, hn::AndNot(dead, hn::Eq(range.least, hn::Zero(du))))) found->zeros += CountZeros(columns, dead);
  if (!hn::AllFalse(di, hn::Gt(hn::BitCast(di, range.most), hn::Set(di, 0x7F7FFFFF)))) found->non_finite = true;
}

// A group's share of what will be read next.
HWY_INLINE void PrefetchGroup(const float* from, int64_t block) {
  constexpr int64_t kLine = 16;
  for (int64_t i = 0; i < static_cast<int64_t>(kGroup) * kSquinchBlock; i += kLine) {
    hwy::Prefetch(from + block * kSquinchBlock + i);
  }
}

template <typename Law>
void EncodeWith(const SquinchEncoder& e, const float* v, int64_t first_block, int64_t blocks, uint8_t* out,
                const SquinchAhead& ahead, SquinchFound* found) {
  const Law law(e);
  constexpr int64_t kSize = kGroup;
  int64_t b = 0;
  for (; b + kSize <= blocks; b += kSize) {
    if (ahead.first) PrefetchGroup(ahead.first, b);
    if (ahead.second) PrefetchGroup(ahead.second, b);
    EncodeGroup(e, law, v + b * kSquinchBlock, static_cast<uint64_t>(first_block + b), out + b * kSquinchBlockBytes,
                found);
  }
  if (b == blocks) return;
  HWY_ALIGN float last[kSize * kSquinchBlock] = {};
  uint8_t records[kSize * kSquinchBlockBytes];
  std::memcpy(last, v + b * kSquinchBlock, static_cast<size_t>((blocks - b) * kSquinchBlock) * sizeof(float));
  EncodeGroup(e, law, last, static_cast<uint64_t>(first_block + b), records, found);
  std::memcpy(out + b * kSquinchBlockBytes, records, static_cast<size_t>((blocks - b) * kSquinchBlockBytes));
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // CAI_SQUINCH_VECTORS

#endif  // include guard
