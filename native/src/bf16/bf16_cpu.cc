#include "bf16/bf16.h"

#include <cstring>

#include "bf16/bf16_core.h"
#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bf16/bf16_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<uint32_t>;
using DI = hn::RebindToSigned<D>;
using D16 = hn::Rebind<uint16_t, D>;
using V = hn::Vec<D>;

// Bf16Bits in the upper half of each lane, the lower half cleared.
V Round(V bits) {
  const D d;
  const DI di;
  const V odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
  const V rounded = hn::Add(bits, hn::Add(odd, hn::Set(d, 0x7FFF)));
  const V quiet = hn::Or(bits, hn::Set(d, kFloat32QuietBit));
  const V magnitude = hn::And(bits, hn::Set(d, kFloat32Magnitude));
  const auto is_nan = hn::Gt(hn::BitCast(di, magnitude), hn::BitCast(di, hn::Set(d, kFloat32Infinity)));
  const V chosen = hn::BitCast(d, hn::IfThenElse(is_nan, hn::BitCast(di, quiet), hn::BitCast(di, rounded)));
  return hn::And(chosen, hn::Set(d, 0xFFFF0000u));
}

uint32_t BitsOf(const float* x) {
  uint32_t bits;
  std::memcpy(&bits, x, sizeof bits);
  return bits;
}

void RoundRange(const float* x, float* out, int64_t begin, int64_t end) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    hn::StoreU(Round(hn::LoadU(d, reinterpret_cast<const uint32_t*>(x + i))), d, reinterpret_cast<uint32_t*>(out + i));
  }
  for (; i < end; ++i) {
    const uint32_t bits = static_cast<uint32_t>(Bf16Bits(BitsOf(x + i))) << 16;
    std::memcpy(out + i, &bits, sizeof bits);
  }
}

void NarrowRange(const float* x, uint16_t* out, int64_t begin, int64_t end) {
  const D d;
  const DI di;
  const D16 d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    const V upper = hn::ShiftRight<16>(Round(hn::LoadU(d, reinterpret_cast<const uint32_t*>(x + i))));
    hn::StoreU(hn::DemoteTo(d16, hn::BitCast(di, upper)), d16, out + i);
  }
  for (; i < end; ++i) out[i] = Bf16Bits(BitsOf(x + i));
}

template <bool kScale, bool kAccumulate>
void WidenAs(const Bf16ToFloat32Args& a, int64_t begin, int64_t end) {
  const D d;
  const D16 d16;
  const hn::ScalableTag<float> df;
  const auto scale = hn::Set(df, a.scale);
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    auto value = hn::BitCast(df, hn::ShiftLeft<16>(hn::PromoteTo(d, hn::LoadU(d16, a.x + i))));
    if (kScale) value = hn::Mul(value, scale);
    if (kAccumulate) value = hn::Add(hn::LoadU(df, a.out + i), value);
    hn::StoreU(value, df, a.out + i);
  }
  for (; i < end; ++i) {
    const uint32_t bits = static_cast<uint32_t>(a.x[i]) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    if (kScale) value *= a.scale;
    a.out[i] = kAccumulate ? a.out[i] + value : value;
  }
}

void WidenRange(const Bf16ToFloat32Args& a, int64_t begin, int64_t end) {
  if (a.accumulate) return a.scale == 1 ? WidenAs<false, true>(a, begin, end) : WidenAs<true, true>(a, begin, end);
  return a.scale == 1 ? WidenAs<false, false>(a, begin, end) : WidenAs<true, false>(a, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(RoundRange);
HWY_EXPORT(NarrowRange);
HWY_EXPORT(WidenRange);

namespace {
constexpr int64_t kGrain = 16384;
}

void Bf16RoundCpu(const float* x, float* out, int64_t n) {
  ThreadPool::Get().ParallelRange(
      n, kGrain, [&](int64_t begin, int64_t end, int) { HWY_DYNAMIC_DISPATCH(RoundRange)(x, out, begin, end); });
}

void Float32ToBf16Cpu(const float* x, uint16_t* out, int64_t n) {
  ThreadPool::Get().ParallelRange(
      n, kGrain, [&](int64_t begin, int64_t end, int) { HWY_DYNAMIC_DISPATCH(NarrowRange)(x, out, begin, end); });
}

void Bf16ToFloat32Cpu(const Bf16ToFloat32Args& args) {
  ThreadPool::Get().ParallelRange(
      args.n, kGrain, [&](int64_t begin, int64_t end, int) { HWY_DYNAMIC_DISPATCH(WidenRange)(args, begin, end); });
}

}  // namespace cai
#endif
