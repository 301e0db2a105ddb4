#include "silu_gated/silu_gated.h"

#include "core/parallel_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "silu_gated/silu_gated_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/math-inl.h"
#include "core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void ForwardRows(const SiluGatedForwardArgs& a, int64_t begin, int64_t end) {
  const FloatTag d;
  for (int64_t row = begin; row < end; ++row) {
    const float* gate = a.gate + row * a.gate_stride;
    const float* up = a.up + row * a.up_stride;
    float* y = a.y + row * a.y_stride;
    ForEachVector(a.columns, [&](auto at) {
      const FloatVec g = at.Load(gate);
      at.Store(hn::Mul(hn::Mul(g, Sigmoid(d, g)), at.Load(up)), y);
    });
  }
}

void BackwardRow(const float* dy, const float* gate, const float* up, float* dgate, float* dup, int64_t columns) {
  const FloatTag d;
  const FloatVec one = hn::Set(d, 1.0f);
  ForEachVector(columns, [&](auto at) {
    const FloatVec g = at.Load(gate);
    const FloatVec s = Sigmoid(d, g);
    const FloatVec v_dy = at.Load(dy);
    const FloatVec slope = hn::Mul(s, hn::MulAdd(g, hn::Sub(one, s), one));
    const FloatVec v_dgate = hn::Mul(hn::Mul(v_dy, at.Load(up)), slope);
    at.Store(hn::Mul(v_dy, hn::Mul(g, s)), dup);
    at.Store(v_dgate, dgate);
  });
}

void BackwardRows(const SiluGatedBackwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    BackwardRow(a.dy + row * a.dy_stride, a.gate + row * a.gate_stride, a.up + row * a.up_stride,
                a.dgate + row * a.dgate_stride, a.dup + row * a.dup_stride, a.columns);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(ForwardRows);
HWY_EXPORT(BackwardRows);

void SiluGatedForwardCpu(const SiluGatedForwardArgs& args) { ParallelRows(args, HWY_DYNAMIC_DISPATCH(ForwardRows)); }

void SiluGatedBackwardCpu(const SiluGatedBackwardArgs& args) { ParallelRows(args, HWY_DYNAMIC_DISPATCH(BackwardRows)); }

}  // namespace cai
#endif
