#include "activation/activation.h"

#include "core/parallel_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "activation/activation_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "activation/activation-inl.h"
#include "core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <typename F>
void MapRows(const ActivationForwardArgs& a, int64_t begin, int64_t end, F&& f) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.x_stride;
    float* y = a.y + row * a.y_stride;
    ForEachVector(a.columns, [&](auto at) { at.Store(f(at.Load(x)), y); });
  }
}

void ForwardRows(const ActivationForwardArgs& a, int64_t begin, int64_t end) {
  const FloatTag d;
  switch (a.kind) {
    case ActivationKind::kRelu2: return MapRows(a, begin, end, [&](FloatVec x) { return Relu2(d, x); });
    case ActivationKind::kGelu: return MapRows(a, begin, end, [&](FloatVec x) { return Gelu(d, x); });
  }
}

template <typename F>
void ScaleRows(const ActivationBackwardArgs& a, int64_t begin, int64_t end, F&& slope) {
  for (int64_t row = begin; row < end; ++row) {
    const float* dy = a.dy + row * a.dy_stride;
    const float* x = a.x + row * a.x_stride;
    float* dx = a.dx + row * a.dx_stride;
    ForEachVector(a.columns, [&](auto at) { at.Store(hn::Mul(at.Load(dy), slope(at.Load(x))), dx); });
  }
}

void BackwardRows(const ActivationBackwardArgs& a, int64_t begin, int64_t end) {
  const FloatTag d;
  switch (a.kind) {
    case ActivationKind::kRelu2: return ScaleRows(a, begin, end, [&](FloatVec x) { return Relu2Grad(d, x); });
    case ActivationKind::kGelu: return ScaleRows(a, begin, end, [&](FloatVec x) { return GeluGrad(d, x); });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(ForwardRows);
HWY_EXPORT(BackwardRows);

void ActivationForwardCpu(const ActivationForwardArgs& args) { ParallelRows(args, HWY_DYNAMIC_DISPATCH(ForwardRows)); }

void ActivationBackwardCpu(const ActivationBackwardArgs& args) { ParallelRows(args, HWY_DYNAMIC_DISPATCH(BackwardRows)); }

}  // namespace cai
#endif
