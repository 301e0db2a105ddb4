// From values to codes and signs: the two laws of rounding. Compiled once per target.
#if defined(CAI_SQUINCH_ROUNDING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_SQUINCH_ROUNDING_INL_H_
#undef CAI_SQUINCH_ROUNDING_INL_H_
#else
#define CAI_SQUINCH_ROUNDING_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "core/philox-inl.h"
#include "squinch/columns-inl.h"
#include "squinch/squinch_tables.h"

#if CAI_SQUINCH_VECTORS

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

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

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // CAI_SQUINCH_VECTORS

#endif  // include guard
