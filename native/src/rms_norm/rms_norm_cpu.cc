#include "rms_norm/rms_norm.h"

#include <cmath>

#include "core/partial_sums.h"
#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rms_norm/rms_norm_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void ForwardRow(const RmsNormForwardArgs& a, const float* x, float* y, float* rstd_out) {
  const int64_t columns = a.grid.columns;
  const float squares = SumOver(columns, [&](FloatVec sum, auto at) {
    const FloatVec value = at.Load(x);
    return hn::MulAdd(value, value, sum);
  });
  const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(columns) + a.eps);
  *rstd_out = rstd;
  const FloatVec scale = hn::Set(FloatTag(), rstd);
  ForEachVector(columns,
                [&](auto at) { at.Store(hn::Mul(hn::Mul(at.Load(x), scale), at.Load(a.weight)), y); });
}

void ForwardRows(const RmsNormForwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / a.grid.inner, h = row % a.grid.inner;
    ForwardRow(a, a.x + a.x_strides.Offset(n, h), a.y + a.y_strides.Offset(n, h), a.rstd + row);
  }
}

void BackwardRow(const RmsNormBackwardArgs& a, const float* dy, const float* x, float* dx, float rstd, float* dweight) {
  const FloatTag d;
  const int64_t columns = a.grid.columns;
  if (!a.accumulate) PrefetchRow(dx, columns);
  const float dot = SumOver(columns, [&](FloatVec sum, auto at) {
    return hn::MulAdd(hn::Mul(at.Load(dy), at.Load(a.weight)), at.Load(x), sum);
  });
  // mean(g · n) · n = (Σ g·x / C) · rstd² · x
  const FloatVec slope = hn::Set(d, dot / static_cast<float>(columns) * rstd * rstd);
  const FloatVec scale = hn::Set(d, rstd);
  ForEachVector(columns, [&](auto at) {
    const FloatVec v_dy = at.Load(dy);
    const FloatVec v_x = at.Load(x);
    FloatVec out = hn::Mul(hn::NegMulAdd(slope, v_x, hn::Mul(v_dy, at.Load(a.weight))), scale);
    if (a.accumulate) out = hn::Add(out, at.Load(dx));
    at.Store(hn::MulAdd(hn::Mul(v_dy, v_x), scale, at.Load(dweight)), dweight);
    at.Store(out, dx);
  });
}

void BackwardRows(const RmsNormBackwardArgs& a, int64_t begin, int64_t end, float* dweight) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / a.grid.inner, h = row % a.grid.inner;
    BackwardRow(a, a.dy + a.dy_strides.Offset(n, h), a.x + a.x_strides.Offset(n, h), a.dx + a.dx_strides.Offset(n, h),
                a.rstd[row], dweight);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(ForwardRows);
HWY_EXPORT(BackwardRows);

void RmsNormForwardCpu(const RmsNormForwardArgs& args) {
  ThreadPool::Get().ParallelRange(args.grid.rows(), RowGrain(args.grid.columns), [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(ForwardRows)(args, begin, end);
  });
}

void RmsNormBackwardCpu(const RmsNormBackwardArgs& args) {
  PartialSums partials(args.grid.columns);
  ThreadPool::Get().ParallelRange(args.grid.rows(), RowGrain(args.grid.columns), [&](int64_t begin, int64_t end, int part) {
    HWY_DYNAMIC_DISPATCH(BackwardRows)(args, begin, end, partials.Of(part));
  });
  partials.AddTo(args.dweight);
}

}  // namespace cai
#endif
