#include "softcap/softcap.h"

#include "core/parallel_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "softcap/softcap_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/math-inl.h"
#include "core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void ForwardRows(const SoftcapForwardArgs& a, int64_t begin, int64_t end) {
  const FloatTag d;
  const FloatVec cap = hn::Set(d, a.cap);
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.x_stride;
    float* y = a.y + row * a.y_stride;
    ForEachVector(a.columns, [&](auto at) { at.Store(hn::Mul(cap, Tanh(d, hn::Div(at.Load(x), cap))), y); });
  }
}

void BackwardRows(const SoftcapBackwardArgs& a, int64_t begin, int64_t end) {
  const FloatTag d;
  const FloatVec cap = hn::Set(d, a.cap);
  const FloatVec one = hn::Set(d, 1.0f);
  for (int64_t row = begin; row < end; ++row) {
    const float* dy = a.dy + row * a.dy_stride;
    const float* y = a.y + row * a.y_stride;
    float* dx = a.dx + row * a.dx_stride;
    ForEachVector(a.columns, [&](auto at) {
      const FloatVec tanh = hn::Div(at.Load(y), cap);
      at.Store(hn::Mul(at.Load(dy), hn::NegMulAdd(tanh, tanh, one)), dx);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(ForwardRows);
HWY_EXPORT(BackwardRows);

void SoftcapForwardCpu(const SoftcapForwardArgs& args) { ParallelRows(args, HWY_DYNAMIC_DISPATCH(ForwardRows)); }

void SoftcapBackwardCpu(const SoftcapBackwardArgs& args) { ParallelRows(args, HWY_DYNAMIC_DISPATCH(BackwardRows)); }

}  // namespace cai
#endif
