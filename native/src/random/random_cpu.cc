#include "random/random.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "core/philox.h"
#include "core/thread_pool.h"
#include "random/random_core.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "random/random_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using DF = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<DF>;
using DU = hn::RebindToUnsigned<DF>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;
using VU = hn::Vec<DU>;

// Neighbouring values of a stream, or vectors of them.
template <typename Vec>
struct Pair {
  Vec first, second;
};

VF FloatOf(VI value) { return hn::ConvertTo(DF(), value); }
VI TopBits(VU words) { return hn::BitCast(DI(), hn::ShiftRight<8>(words)); }

struct UniformLaw {
  VF low, range, most;
  explicit UniformLaw(const RandomUniformArgs& a)
      : low(hn::Set(DF(), a.low)),
        range(hn::Set(DF(), a.high - a.low)),
        most(hn::Set(DF(), std::nextafter(a.high, -std::numeric_limits<float>::infinity()))) {}

  VF One(VU words) const {
    const VF u = hn::Mul(FloatOf(TopBits(words)), hn::Set(DF(), kTwoToMinus24));
    return hn::Min(hn::Add(low, hn::Mul(u, range)), most);
  }
  Pair<VF> operator()(VU first, VU second) const { return {One(first), One(second)}; }
};

template <size_t kTerms>
VF Horner(const float (&terms)[kTerms], VF x) {
  VF sum = hn::Set(DF(), terms[0]);
  for (size_t i = 1; i < kTerms; ++i) sum = hn::Add(hn::Mul(sum, x), hn::Set(DF(), terms[i]));
  return sum;
}

// sqrt(−2 · ln(((word >> 8) + 1) · 2⁻²⁴)); see random_core.h.
VF Radius(VI top_bits) {
  const DF d;
  const DI di;
  const VF f = FloatOf(hn::Add(top_bits, hn::Set(di, 1)));
  const VI i = hn::Sub(hn::BitCast(di, f), hn::Set(di, kLogOrigin));
  const VF e = FloatOf(hn::Sub(hn::ShiftRight<23>(i), hn::Set(di, 24)));
  const VF m = hn::BitCast(d, hn::Add(hn::And(i, hn::Set(di, 0x7FFFFF)), hn::Set(di, kLogOrigin)));
  const VF x = hn::Sub(m, hn::Set(d, 1.0f));
  const VF z = hn::Mul(x, x);
  VF y = hn::Mul(hn::Mul(x, z), Horner(kLog, x));
  y = hn::Add(y, hn::Mul(e, hn::Set(d, kLn2Low)));
  y = hn::Sub(y, hn::Mul(hn::Set(d, 0.5f), z));
  const VF ln = hn::Add(hn::Add(x, y), hn::Mul(e, hn::Set(d, kLn2High)));
  return hn::Sqrt(hn::Mul(hn::Set(d, -2.0f), ln));
}

struct NormalLaw {
  VF mean, std;
  explicit NormalLaw(const RandomNormalArgs& a) : mean(hn::Set(DF(), a.mean)), std(hn::Set(DF(), a.std)) {}

  Pair<VF> operator()(VU first, VU second) const {
    const DF d;
    const DI di;
    const DU du;
    const VF radius = Radius(TopBits(first));
    const VI turns = TopBits(second);

    const VI quarter = hn::ShiftRight<22>(hn::Add(turns, hn::Set(di, 1 << 21)));
    const VF y = hn::Mul(FloatOf(hn::Sub(turns, hn::ShiftLeft<22>(quarter))), hn::Set(d, kQuarterAngle));
    const VF s = hn::Mul(y, y);
    const VF one = hn::Set(d, 1.0f);
    const VF sine = hn::Add(y, hn::Mul(hn::Mul(y, s), Horner(kSin, s)));
    const VF cosine =
        hn::Add(hn::Sub(one, hn::Mul(hn::Set(d, 0.5f), s)), hn::Mul(hn::Mul(s, s), Horner(kCos, s)));

    const VU q = hn::BitCast(du, quarter);
    const VU bit0 = hn::Set(du, 1), bit1 = hn::Set(du, 2);
    const auto swapped = hn::MaskFromVec(hn::BitCast(d, hn::VecFromMask(du, hn::Eq(hn::And(q, bit0), bit0))));
    // Quarters 1 and 2 have a negative cosine, 2 and 3 a negative sine.
    const VU negative_cos = hn::ShiftLeft<30>(hn::And(hn::Add(q, bit0), bit1));
    const VU negative_sin = hn::ShiftLeft<30>(hn::And(q, bit1));
    const VF turned_cos = hn::Xor(hn::IfThenElse(swapped, sine, cosine), hn::BitCast(d, negative_cos));
    const VF turned_sin = hn::Xor(hn::IfThenElse(swapped, cosine, sine), hn::BitCast(d, negative_sin));

    return {Scaled(hn::Mul(radius, turned_cos)), Scaled(hn::Mul(radius, turned_sin))};
  }

  VF Scaled(VF z) const { return hn::Add(mean, hn::Mul(std, z)); }
};

#if HWY_TARGET == HWY_SCALAR

struct UnitWriter {
  static constexpr size_t kMost = 4;
  static size_t Size() { return kMost; }

  template <typename Law>
  void Write(const RandomFillArgs& a, const Law& law, uint64_t block, float* out) const {
    const PhiloxBlock words =
        Philox4x32(a.seed, {{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                             static_cast<uint32_t>(a.stream), static_cast<uint32_t>(a.stream >> 32)}});
    for (size_t i = 0; i < kMost; i += 2) {
      const Pair<VF> values = law(hn::Set(DU(), words.word[i]), hn::Set(DU(), words.word[i + 1]));
      hn::StoreU(values.first, DF(), out + i);
      hn::StoreU(values.second, DF(), out + i + 1);
    }
  }
};

#else

using DU64 = PhiloxTag;
using VU64 = PhiloxVec;

// Blocks' words in pairs: those of each block side by side, in the first vector words 0 and 1 before words 2 and 3 for even
// lanes, in the second for odd lanes.
Pair<VU> WordsOf(VU64 block, uint64_t seed, uint64_t stream) {
  const DU64 d;
  const DU d32;
  const PhiloxWords c = PhiloxBlocks(block, seed, stream);
  const VU64 low = hn::Set(d, uint64_t{0xFFFFFFFF});
  const VU64 words01 = hn::Or(hn::And(c.word[0], low), hn::ShiftLeft<32>(c.word[1]));
  const VU64 words23 = hn::Or(hn::And(c.word[2], low), hn::ShiftLeft<32>(c.word[3]));
  return {hn::BitCast(d32, hn::InterleaveLower(d, words01, words23)),
          hn::BitCast(d32, hn::InterleaveUpper(d, words01, words23))};
}

// A unit is as many blocks as there are 64-bit lanes: two vectors of values.
struct UnitWriter {
  static constexpr size_t kMost = 2 * HWY_MAX_BYTES / sizeof(float);
  static size_t Size() { return 2 * hn::Lanes(DF()); }

  // Lane 2j computes block j and lane 2j + 1 block j + lanes / 2, so that interleaving within 128 bits puts the words in
  // stream order.
  VU64 offsets;
  UnitWriter() {
    const DU64 d;
    const size_t lanes = hn::Lanes(d);
    HWY_ALIGN uint64_t order[HWY_MAX_BYTES / sizeof(uint64_t)];
    for (size_t lane = 0; lane < lanes; ++lane) order[lane] = lane / 2 + (lane % 2) * (lanes / 2);
    offsets = hn::Load(d, order);
  }

  template <typename Law>
  void Write(const RandomFillArgs& a, const Law& law, uint64_t block, float* out) const {
    const DF d;
    const Pair<VU> words = WordsOf(hn::Add(hn::Set(DU64(), block), offsets), a.seed, a.stream);
    // Even lanes work on the pairs of the first vector, odd lanes on those of the second.
    const Pair<VF> values = law(hn::OddEven(hn::DupEven(words.second), words.first),
                                hn::OddEven(words.second, hn::DupOdd(words.first)));
    hn::StoreU(hn::OddEven(hn::DupEven(values.second), values.first), d, out);
    hn::StoreU(hn::OddEven(values.second, hn::DupOdd(values.first)), d, out + hn::Lanes(d));
  }
};

#endif

template <typename Law>
void Fill(const RandomFillArgs& a, const Law& law, int64_t begin, int64_t end) {
  const UnitWriter writer;
  const size_t unit = UnitWriter::Size();
  const uint64_t start = a.offset + static_cast<uint64_t>(begin);
  float* out = a.out + begin;
  size_t left = static_cast<size_t>(end - begin), skip = start % 4;
  for (uint64_t block = start / 4; left > 0; block += unit / 4) {
    size_t taken = unit;
    if (skip == 0 && left >= unit) {
      writer.Write(a, law, block, out);
    } else {
      float buffer[UnitWriter::kMost];
      writer.Write(a, law, block, buffer);
      taken = HWY_MIN(left, unit - skip);
      std::memcpy(out, buffer + skip, taken * sizeof(float));
      skip = 0;
    }
    out += taken;
    left -= taken;
  }
}

void FillUniform(const RandomUniformArgs& a, int64_t begin, int64_t end) { Fill(a.fill, UniformLaw(a), begin, end); }
void FillNormal(const RandomNormalArgs& a, int64_t begin, int64_t end) { Fill(a.fill, NormalLaw(a), begin, end); }

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(FillUniform);
HWY_EXPORT(FillNormal);

namespace {
constexpr int64_t kGrain = 8192;
}

void RandomUniformCpu(const RandomUniformArgs& args) {
  ThreadPool::Get().ParallelRange(args.fill.n, kGrain, [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(FillUniform)(args, begin, end);
  });
}

void RandomNormalCpu(const RandomNormalArgs& args) {
  ThreadPool::Get().ParallelRange(args.fill.n, kGrain, [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(FillNormal)(args, begin, end);
  });
}

}  // namespace cai
#endif
