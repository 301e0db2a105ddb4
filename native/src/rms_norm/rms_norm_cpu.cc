#include "rms_norm/rms_norm.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rms_norm/rms_norm_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Σ f(i) over [0, n): whole vectors, then a masked tail that reads zeros.
template <typename F>
float SumOver(int64_t n, F&& term) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) sum = term(sum, [&](const float* p) { return hn::LoadU(d, p + i); });
  if (i < n) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(n - i));
    sum = term(sum, [&](const float* p) { return hn::MaskedLoad(mask, d, p + i); });
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void ForwardRow(const RmsNormForwardArgs& a, int64_t row) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float* x = a.x + row * a.x_stride;
  float* y = a.y + row * a.y_stride;
  const float squares = SumOver(a.columns, [&](V sum, auto load) {
    const V value = load(x);
    return hn::MulAdd(value, value, sum);
  });
  const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(a.columns) + a.eps);
  a.rstd[row] = rstd;
  const V scale = hn::Set(d, rstd);
  int64_t i = 0;
  for (; i + lanes <= a.columns; i += lanes) {
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), scale), hn::LoadU(d, a.weight + i)), d, y + i);
  }
  for (; i < a.columns; ++i) y[i] = x[i] * rstd * a.weight[i];
}

void ForwardRows(const RmsNormForwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) ForwardRow(a, row);
}

void BackwardRow(const RmsNormBackwardArgs& a, int64_t row, float* dweight) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float* dy = a.dy + row * a.dy_stride;
  const float* x = a.x + row * a.x_stride;
  float* dx = a.dx + row * a.dx_stride;
  const float rstd = a.rstd[row];
  const float dot = SumOver(a.columns, [&](V sum, auto load) {
    return hn::MulAdd(hn::Mul(load(dy), load(a.weight)), load(x), sum);
  });
  // mean(g · n) · n = (Σ g·x / C) · rstd² · x
  const float slope = dot / static_cast<float>(a.columns) * rstd * rstd;
  const V v_rstd = hn::Set(d, rstd);
  const V v_slope = hn::Set(d, slope);
  int64_t i = 0;
  for (; i + lanes <= a.columns; i += lanes) {
    const V v_dy = hn::LoadU(d, dy + i);
    const V v_x = hn::LoadU(d, x + i);
    const V g = hn::Mul(v_dy, hn::LoadU(d, a.weight + i));
    V out = hn::Mul(hn::NegMulAdd(v_slope, v_x, g), v_rstd);
    if (a.accumulate) out = hn::Add(out, hn::LoadU(d, dx + i));
    hn::StoreU(hn::MulAdd(hn::Mul(v_dy, v_x), v_rstd, hn::LoadU(d, dweight + i)), d, dweight + i);
    hn::StoreU(out, d, dx + i);
  }
  for (; i < a.columns; ++i) {
    const float out = (dy[i] * a.weight[i] - slope * x[i]) * rstd;
    dweight[i] += dy[i] * x[i] * rstd;
    dx[i] = a.accumulate ? dx[i] + out : out;
  }
}

void BackwardRows(const RmsNormBackwardArgs& a, int64_t begin, int64_t end, float* dweight) {
  for (int64_t row = begin; row < end; ++row) BackwardRow(a, row, dweight);
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(ForwardRows);
HWY_EXPORT(BackwardRows);

namespace {
constexpr int64_t kRowGrain = 16;  // below this, waking a thread costs more than the rows
}

void RmsNormForwardCpu(const RmsNormForwardArgs& args) {
  ThreadPool::Get().ParallelRange(args.rows, kRowGrain, [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(ForwardRows)(args, begin, end);
  });
}

void RmsNormBackwardCpu(const RmsNormBackwardArgs& args) {
  ThreadPool& pool = ThreadPool::Get();
  std::vector<float> partials(static_cast<size_t>(pool.size() * args.columns), 0.0f);
  pool.ParallelRange(args.rows, kRowGrain, [&](int64_t begin, int64_t end, int part) {
    HWY_DYNAMIC_DISPATCH(BackwardRows)(args, begin, end, partials.data() + part * args.columns);
  });
  for (int part = 0; part < pool.size(); ++part) {
    for (int64_t i = 0; i < args.columns; ++i) args.dweight[i] += partials[static_cast<size_t>(part * args.columns + i)];
  }
}

}  // namespace cai
#endif
