#include "layer_norm/layer_norm.h"

#include <cmath>

#include "core/partial_sums.h"
#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layer_norm/layer_norm_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void ForwardRow(const LayerNormForwardArgs& a, const float* x, float* y, float* mean_out, float* rstd_out) {
  const FloatTag d;
  const int64_t columns = a.grid.columns;
  const float count = static_cast<float>(columns);
  // Summed from the first value on, so that what the whole row has in common is not rounded over and over.
  const float first = columns > 0 ? x[0] : 0.0f;
  const FloatVec v_first = hn::Set(d, first);
  const float sum = SumOver(columns, [&](FloatVec s, auto at) { return hn::Add(s, hn::Sub(at.Load(x), v_first)); });
  const float mean = first + sum / count;
  const FloatVec v_mean = hn::Set(d, mean);
  const float squares = SumOver(columns, [&](FloatVec s, auto at) {
    const FloatVec difference = hn::Sub(at.Load(x), v_mean);
    return hn::MulAdd(difference, difference, s);
  });
  const float rstd = 1.0f / std::sqrt(squares / count + a.eps);
  *mean_out = mean;
  *rstd_out = rstd;
  const FloatVec scale = hn::Set(d, rstd);
  ForEachVector(columns, [&](auto at) {
    const FloatVec normal = hn::Mul(hn::Sub(at.Load(x), v_mean), scale);
    const FloatVec shift = a.bias ? at.Load(a.bias) : hn::Zero(d);
    at.Store(hn::MulAdd(normal, at.Load(a.weight), shift), y);
  });
}

void ForwardRows(const LayerNormForwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / a.grid.inner, h = row % a.grid.inner;
    ForwardRow(a, a.x + a.x_strides.Offset(n, h), a.y + a.y_strides.Offset(n, h), a.mean + row, a.rstd + row);
  }
}

struct BackwardRowPointers {
  const float *dy, *x;
  float *dx, *dweight, *dbias;
};

void BackwardRow(const LayerNormBackwardArgs& a, const BackwardRowPointers& p, float mean, float rstd) {
  const FloatTag d;
  const int64_t columns = a.grid.columns;
  const FloatVec v_mean = hn::Set(d, mean);
  const FloatVec scale = hn::Set(d, rstd);
  if (!a.accumulate) PrefetchRow(p.dx, columns);
  const float count = static_cast<float>(columns);
  const float mean_g = SumOver(columns, [&](FloatVec sum, auto at) {
    return hn::MulAdd(at.Load(p.dy), at.Load(a.weight), sum);
  }) / count;
  const float dot = SumOver(columns, [&](FloatVec sum, auto at) {
    return hn::MulAdd(hn::Mul(at.Load(p.dy), at.Load(a.weight)), hn::Sub(at.Load(p.x), v_mean), sum);
  });
  // mean(g · n) · n = (Σ g · (x − mean) / C) · rstd² · (x − mean)
  const FloatVec slope = hn::Set(d, dot / count * rstd * rstd);
  const FloatVec offset = hn::Set(d, mean_g);
  ForEachVector(columns, [&](auto at) {
    const FloatVec dy = at.Load(p.dy);
    const FloatVec difference = hn::Sub(at.Load(p.x), v_mean);
    const FloatVec g = hn::Sub(hn::Mul(dy, at.Load(a.weight)), offset);
    FloatVec dx = hn::Mul(hn::NegMulAdd(slope, difference, g), scale);
    if (a.accumulate) dx = hn::Add(dx, at.Load(p.dx));
    at.Store(hn::MulAdd(hn::Mul(dy, difference), scale, at.Load(p.dweight)), p.dweight);
    at.Store(hn::Add(dy, at.Load(p.dbias)), p.dbias);
    at.Store(dx, p.dx);
  });
}

void BackwardRows(const LayerNormBackwardArgs& a, int64_t begin, int64_t end, float* dweight, float* dbias) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / a.grid.inner, h = row % a.grid.inner;
    const BackwardRowPointers pointers{a.dy + a.dy_strides.Offset(n, h), a.x + a.x_strides.Offset(n, h),
                                       a.dx + a.dx_strides.Offset(n, h), dweight, dbias};
    BackwardRow(a, pointers, a.mean[row], a.rstd[row]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(ForwardRows);
HWY_EXPORT(BackwardRows);

void LayerNormForwardCpu(const LayerNormForwardArgs& args) {
  ThreadPool::Get().ParallelRange(args.grid.rows(), RowGrain(args.grid.columns), [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(ForwardRows)(args, begin, end);
  });
}

void LayerNormBackwardCpu(const LayerNormBackwardArgs& args) {
  PartialSums weight_partials(args.grid.columns), bias_partials(args.grid.columns);
  ThreadPool::Get().ParallelRange(args.grid.rows(), RowGrain(args.grid.columns), [&](int64_t begin, int64_t end, int part) {
    HWY_DYNAMIC_DISPATCH(BackwardRows)(args, begin, end, weight_partials.Of(part), bias_partials.Of(part));
  });
  weight_partials.AddTo(args.dweight);
  if (args.dbias) bias_partials.AddTo(args.dbias);
}

}  // namespace cai
#endif
