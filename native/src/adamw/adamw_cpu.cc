#include "adamw/adamw.h"

#include <cmath>

#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "adamw/adamw_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

struct Moments {
  V param, m, v;
};

Moments Update(const AdamwArgs& a, V param, V grad, V m, V v) {
  const D d;
  const V g = hn::Mul(grad, hn::Set(d, a.grad_scale));
  const V new_m = hn::Add(hn::Mul(hn::Set(d, a.beta1), m), hn::Mul(hn::Set(d, a.one_minus_beta1), g));
  const V new_v =
      hn::Add(hn::Mul(hn::Set(d, a.beta2), v), hn::Mul(hn::Mul(hn::Set(d, a.one_minus_beta2), g), g));
  const V root = hn::Add(hn::Mul(hn::Sqrt(new_v), hn::Set(d, a.root_scale)), hn::Set(d, a.eps));
  const V change = hn::Add(hn::Mul(hn::Set(d, a.decay), param), hn::Div(hn::Mul(hn::Set(d, a.rate), new_m), root));
  return {hn::Sub(param, change), new_m, new_v};
}

void UpdateRange(const AdamwArgs& a, int64_t begin, int64_t end) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    const Moments next = Update(a, hn::LoadU(d, a.param + i), hn::LoadU(d, a.grad + i), hn::LoadU(d, a.m + i),
                                hn::LoadU(d, a.v + i));
    hn::StoreU(next.m, d, a.m + i);
    hn::StoreU(next.v, d, a.v + i);
    hn::StoreU(next.param, d, a.param + i);
  }
  if (i == end) return;
  const int64_t left = end - i;
  const Moments next = Update(a, LoadFirst(a.param + i, left), LoadFirst(a.grad + i, left), LoadFirst(a.m + i, left),
                              LoadFirst(a.v + i, left));
  StoreFirst(next.m, a.m + i, left);
  StoreFirst(next.v, a.v + i, left);
  StoreFirst(next.param, a.param + i, left);
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(UpdateRange);

namespace {
constexpr int64_t kGrain = 8192;
}

AdamwArgs AdamwConstants(const AdamwSettings& s) {
  AdamwArgs args{};
  args.grad_scale = static_cast<float>(s.grad_scale);
  args.beta1 = static_cast<float>(s.beta1);
  args.one_minus_beta1 = static_cast<float>(1 - s.beta1);
  args.beta2 = static_cast<float>(s.beta2);
  args.one_minus_beta2 = static_cast<float>(1 - s.beta2);
  args.decay = static_cast<float>(s.lr * s.weight_decay);
  // 1 − beta^step by expm1, since beta^step is close to 1 at first.
  const double step = static_cast<double>(s.step);
  args.rate = static_cast<float>(s.lr / -std::expm1(step * std::log(s.beta1)));
  args.root_scale = static_cast<float>(1 / std::sqrt(-std::expm1(step * std::log(s.beta2))));
  args.eps = static_cast<float>(s.eps);
  return args;
}

void AdamwStepCpu(const AdamwArgs& args) {
  ThreadPool::Get().ParallelRange(args.n, kGrain, [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(UpdateRange)(args, begin, end);
  });
}

}  // namespace cai
#endif
