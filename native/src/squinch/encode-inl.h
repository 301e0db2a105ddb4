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

#include "core/philox-inl.h"
#include "squinch/squinch_core.h"
#include "squinch/squinch_tables.h"
#include "squinch/table-inl.h"

#if CAI_SQUINCH_VECTORS

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

constexpr size_t kGroup = kLanes;  // blocks that are encoded at once

// Value j of every block of a group in vector j.
struct Columns {
  V value[kSquinchBlock];
};

// 128-bit part l of the result is p[32 · l] and the three after it.
HWY_INLINE V LoadApart(const float* p) {
  const D d;
  const hn::Half<D> half;
  const hn::CappedTag<float, 4> four;
  constexpr size_t kApart = 4 * kSquinchBlock;
#if HWY_TARGET == HWY_AVX3
  return hn::Combine(d, hn::Combine(half, hn::LoadU(four, p + 3 * kApart), hn::LoadU(four, p + 2 * kApart)),
                     hn::Combine(half, hn::LoadU(four, p + kApart), hn::LoadU(four, p)));
#else
  (void)half;
  return hn::Combine(d, hn::LoadU(four, p + kApart), hn::LoadU(four, p));
#endif
}

HWY_INLINE Columns LoadColumns(const float* v) {
  const D d;
  const hn::RepartitionToWide<DU> wide;
  Columns out;
  for (int half = 0; half < 2; ++half) {
    const float* p = v + 4 * half;
    const V a = LoadApart(p), b = LoadApart(p + 8), c = LoadApart(p + 16), e = LoadApart(p + 24);
    const auto ab_low = hn::BitCast(wide, hn::InterleaveLower(d, a, b));
    const auto ce_low = hn::BitCast(wide, hn::InterleaveLower(d, c, e));
    const auto ab_high = hn::BitCast(wide, hn::InterleaveUpper(d, a, b));
    const auto ce_high = hn::BitCast(wide, hn::InterleaveUpper(d, c, e));
    out.value[4 * half] = hn::BitCast(d, hn::InterleaveLower(wide, ab_low, ce_low));
    out.value[4 * half + 1] = hn::BitCast(d, hn::InterleaveUpper(wide, ab_low, ce_low));
    out.value[4 * half + 2] = hn::BitCast(d, hn::InterleaveLower(wide, ab_high, ce_high));
    out.value[4 * half + 3] = hn::BitCast(d, hn::InterleaveUpper(wide, ab_high, ce_high));
  }
  return out;
}

HWY_INLINE VU OneWhere(hn::Mask<D> mask) {
  return hn::IfThenElseZero(hn::RebindMask(DU(), mask), hn::Set(DU(), 1));
}

// The number of thresholds that are <= t, by halving.
struct CodeSearch {
  V third, seventh, eleventh, fourths, odds;

  explicit CodeSearch(const SquinchEncoder& e) {
    const D d;
    const float* thresholds = e.tables.thresholds;
    third = hn::Set(d, thresholds[3]);
    seventh = hn::Set(d, thresholds[7]);
    eleventh = hn::Set(d, thresholds[11]);
    HWY_ALIGN float table[kGroup] = {};
    for (int k = 0; k < 4; ++k) table[k] = thresholds[4 * k + 1];
    fourths = hn::Load(d, table);
    for (int k = 0; k < 8; ++k) table[k] = thresholds[2 * k];
    odds = hn::Load(d, table);
  }

  HWY_INLINE VU operator()(V t) const {
    const auto upper = hn::Ge(t, seventh);
    VU code = OneWhere(upper);
    const auto next = [&](V threshold) { code = hn::Add(hn::Add(code, code), OneWhere(hn::Ge(t, threshold))); };
    next(hn::IfThenElse(upper, eleventh, third));
    next(Lookup(fourths, code));
    next(Lookup(odds, code));
    return code;
  }
};

#if HWY_TARGET == HWY_AVX3
// The same through SquinchCodeIndex.
struct CodeIndex {
  V least, most, offset;
  VU low, high;
  int shift;

  explicit CodeIndex(const SquinchEncoder& e)
      : least(hn::Set(D(), e.codes.least)), most(hn::Set(D(), e.codes.most)),
        offset(hn::Set(D(), e.codes.offset)), low(hn::LoadU(DU(), e.codes.add)), high(hn::LoadU(DU(), e.codes.add + 16)),
        shift(e.codes.bucket_shift) {}

  HWY_INLINE VU operator()(V t) const {
    const DU du;
    const V inside = hn::Min(hn::Max(t, least), most);
    const VU bucket = hn::ShiftRightSame(hn::BitCast(du, hn::Add(inside, offset)), shift);
    const VU add = VU{_mm512_permutex2var_epi32(low.raw, bucket.raw, high.raw)};
    return hn::ShiftRight<SquinchCodeIndex::kCodeShift>(hn::Add(hn::BitCast(du, inside), add));
  }
};
#endif

// What nearest and stochastic rounding hand to the writer: a code and a sign for value j of each block.
struct Coded {
  VU code;
  hn::Mask<D> negative;
};

struct Scales {
  VU q;
  V inverse, max;
};

template <typename Codes>
struct Nearest {
  const Codes codes;
  const V first;
  explicit Nearest(const SquinchEncoder& e) : codes(e), first(hn::Set(D(), e.tables.thresholds[0])) {}

  struct Group {
    const Nearest& law;
    HWY_INLINE Coded operator()(int, V v, const Scales& scales, bool signed_zero) const {
      const D d;
      const V t = hn::Mul(hn::Abs(v), scales.inverse);
      auto negative = hn::Lt(v, hn::Zero(d));
      if (!signed_zero) negative = hn::And(negative, hn::Ge(t, law.first));
      return {law.codes(t), negative};
    }
  };
  HWY_INLINE Group Begin(uint64_t) const { return {*this}; }
};

struct Stochastic {
  const CodeSearch codes;
  const Table16 levels;
  const uint64_t seed, stream;
  explicit Stochastic(const SquinchEncoder& e)
      : codes(e), levels(e.tables.levels), seed(e.seed), stream(e.stream) {}

  using Wide = hn::ScalableTag<double>;
  using WideU = hn::RebindToUnsigned<Wide>;

  struct Group {
    const Stochastic& law;
    // For the lower and upper half of the blocks, and of each block's values.
    PhiloxWords words[2][2];

    HWY_INLINE hn::Vec<Wide> Uniform(int half, int j) const {
      // 32 bits below 2⁵² in a double's significand, less the 2⁵².
      const WideU du;
      const auto word = hn::And(words[half][j / 4].word[j % 4], hn::Set(du, 0xFFFFFFFFu));
      const auto biased = hn::BitCast(Wide(), hn::Or(word, hn::Set(du, uint64_t{0x4330000000000000})));
      return hn::Sub(biased, hn::Set(Wide(), 4503599627370496.0));
    }

    // 1 where u · (high − low) < (v − low) · 2³².
    HWY_INLINE auto UpHalf(int half, int j, hn::Vec<hn::Half<D>> v, hn::Vec<hn::Half<D>> low,
                           hn::Vec<hn::Half<D>> high) const {
      const Wide d;
      const auto bottom = hn::PromoteTo(d, low);
      const auto left = hn::Mul(Uniform(half, j), hn::Sub(hn::PromoteTo(d, high), bottom));
      const auto right = hn::Mul(hn::Sub(hn::PromoteTo(d, v), bottom), hn::Set(d, 4294967296.0));
      const auto one = hn::IfThenElseZero(hn::Lt(left, right), hn::Set(d, 1.0));
      return hn::DemoteTo(hn::Half<DI>(), one);
    }
    HWY_INLINE VU Up(int j, V v, V low, V high) const {
      const hn::Half<D> half;
      const auto lower = UpHalf(0, j, hn::LowerHalf(half, v), hn::LowerHalf(half, low), hn::LowerHalf(half, high));
      const auto upper =
          UpHalf(1, j, hn::UpperHalf(half, v), hn::UpperHalf(half, low), hn::UpperHalf(half, high));
      return hn::BitCast(DU(), hn::Combine(DI(), upper, lower));
    }

    // See SquinchStochastic in squinch_core.h.
    HWY_INLINE Coded operator()(int j, V v, const Scales& scales, bool signed_zero) const {
      const D d;
      const DU du;
      const VU zero = hn::Zero(du), one = hn::Set(du, 1), last = hn::Set(du, kSquinchCodes - 1);
      const V size = hn::Abs(v);
      const VU nearest = law.codes(hn::Mul(size, scales.inverse));
      const auto below = hn::Lt(size, hn::Mul(law.levels[nearest], scales.max));
      const auto least = hn::And(below, hn::RebindMask(d, hn::Eq(nearest, zero)));
      const VU code = hn::IfThenElse(hn::RebindMask(du, least), zero, hn::Sub(nearest, OneWhere(below)));
      const V at_code = hn::Mul(law.levels[code], scales.max);
      const V above = hn::Mul(law.levels[hn::Min(hn::Add(code, one), last)], scales.max);
      const VU up = Up(j, hn::IfThenElse(least, v, size), hn::IfThenElse(least, hn::Neg(at_code), at_code),
                       hn::IfThenElse(least, at_code, above));
      const VU chosen = hn::IfThenElse(hn::RebindMask(du, least), zero, hn::Min(hn::Add(code, up), last));
      const auto drawn_negative = hn::RebindMask(d, hn::Eq(up, zero));
      const auto below_zero = hn::Lt(v, hn::Zero(d));
      auto negative = hn::Or(hn::And(least, drawn_negative), hn::AndNot(least, below_zero));
      if (!signed_zero) negative = hn::AndNot(hn::RebindMask(d, hn::Eq(chosen, zero)), negative);
      return {chosen, negative};
    }
  };

  HWY_INLINE Group Begin(uint64_t first_block) const {
    const WideU du;
    const uint64_t middle = first_block + kGroup / 2;
    const auto blocks = [&](uint64_t block, uint64_t half) {
      const auto index = hn::Add(hn::Iota(du, 0), hn::Set(du, block));
      return PhiloxBlocks(hn::Add(hn::Add(index, index), hn::Set(du, half)), seed, stream);
    };
    return {*this, {{blocks(first_block, 0), blocks(first_block, 1)}, {blocks(middle, 0), blocks(middle, 1)}}};
  }
};

// Writes the group's records: q_max, signs and codes of block b in lane b.
HWY_INLINE void StoreRecords(VU q, VU signs, VU codes, uint8_t* out) {
  const DU du;
  const hn::Repartition<uint8_t, DU> d8;
  const VU head = hn::Or(hn::ShiftLeft<16>(q), hn::ShiftLeft<24>(signs));
  // Two records of eight bytes in each 128 bits, of which the first two bytes are nothing; then 12 bytes in a row.
  alignas(16) static constexpr uint8_t kClose[16] = {2,  3,  4,  5,  6,    7,    10,   11,
                                                     12, 13, 14, 15, 0x80, 0x80, 0x80, 0x80};
  const auto close = hn::LoadDup128(d8, kClose);
  const auto records = [&](VU pairs) { return hn::BitCast(du, hn::TableLookupBytes(hn::BitCast(d8, pairs), close)); };
  const VU first = records(hn::InterleaveLower(du, head, codes)), second = records(hn::InterleaveUpper(du, head, codes));
#if HWY_TARGET == HWY_AVX3
  const __m512i front = _mm512_setr_epi32(0, 1, 2, 16, 17, 18, 4, 5, 6, 20, 21, 22, 8, 9, 10, 24);
  const __m512i back = _mm512_setr_epi32(25, 26, 12, 13, 14, 28, 29, 30, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi32(first.raw, front, second.raw));
  const __m512i rest = _mm512_permutex2var_epi32(first.raw, back, second.raw);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 64), _mm512_castsi512_si256(rest));
#else
  const __m256i front = _mm256_setr_epi32(0, 1, 2, 7, 7, 7, 4, 5);
  const __m256i middle = _mm256_setr_epi32(7, 7, 7, 0, 1, 2, 7, 7);
  const __m256i f = _mm256_permutevar8x32_epi32(first.raw, front), s = _mm256_permutevar8x32_epi32(second.raw, middle);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_blend_epi32(f, s, 0x38));
  const __m256i end = _mm256_blend_epi32(_mm256_permutevar8x32_epi32(first.raw, _mm256_set1_epi32(6)),
                                         _mm256_permutevar8x32_epi32(second.raw, _mm256_setr_epi32(7, 4, 5, 6, 7, 7, 7, 7)), 0x0E);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 32), _mm256_castsi256_si128(end));
#endif
}

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
