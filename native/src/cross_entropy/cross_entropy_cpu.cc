#include "cross_entropy/cross_entropy.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "core/parallel_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cross_entropy/cross_entropy_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/math-inl.h"
#include "core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Two blocks fit the first-level cache: one is looked at twice, for its maximum and its exponentials, while the next one
// is on its way from memory.
constexpr int64_t kBlock = 2048;

float Finite(float x) { return std::min(std::max(-FLT_MAX, x), FLT_MAX); }

// Σ e^x over some logits, as sum · e^shift. The shift is their maximum, limited to finite numbers: differences from it
// then stay meaningful, and infinity and NaN come out of the sum itself.
struct ExpSum {
  float shift = 0.0f;
  double sum = 0.0;

  void Add(const ExpSum& other) {
    if (other.sum == 0.0) return;
    if (sum == 0.0) {
      *this = other;
      return;
    }
    const double top = std::max(shift, other.shift);
    sum = sum * std::exp(shift - top) + other.sum * std::exp(other.shift - top);
    shift = static_cast<float>(top);
  }
  float Log() const { return static_cast<float>(shift + std::log(sum)); }
};

// `next` is what is read after this block.
ExpSum SumBlock(const float* logits, int64_t count, const float* next) {
  const FloatTag d;
  const FloatVec maxima = FoldVectors(
      count, hn::Set(d, -HUGE_VALF), [&](FloatVec most, auto at) { return hn::Max(at.Load(logits), most); },
      [](FloatVec a, FloatVec b) { return hn::Max(a, b); });
  const float most = hn::GetLane(hn::MaxOfLanes(d, maxima));
  const float shift = Finite(most);
  const FloatVec v_shift = hn::Set(d, shift);
  const float sum = SumOver(count, [&](FloatVec s, auto at) {
    hwy::Prefetch(next + at.i);
    return hn::Add(s, Exp(d, hn::Sub(at.Load(logits), v_shift)));
  });
  return {shift, sum};
}

void ForwardRows(const CrossEntropyForwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t target = a.targets[row];
    if (target < 0) continue;
    const float* logits = a.logits + row * a.logits_stride;
    ExpSum total;
    for (int64_t i = 0; i < a.columns; i += kBlock) {
      const int64_t count = std::min(kBlock, a.columns - i);
      const bool last = i + count == a.columns;
      const float* next = last && row + 1 < end ? logits + a.logits_stride : logits + i + (last ? 0 : count);
      total.Add(SumBlock(logits + i, count, next));
    }
    const float before = a.lse[row];
    const float shift = Finite(before);
    total.Add({shift, std::exp(static_cast<double>(before) - shift)});  // of the chunks so far
    a.lse[row] = total.Log();
    const int64_t column = target - a.vocab_start;
    if (column >= 0 && column < a.columns) a.target_logit[row] = logits[column];
  }
}

void BackwardRow(float* logits, int64_t columns, float lse, float dloss) {
  const FloatTag d;
  const FloatVec v_lse = hn::Set(d, lse);
  const FloatVec scale = hn::Set(d, dloss);
  ForEachVector(columns, [&](auto at) {
    at.Store(hn::Mul(scale, Exp(d, hn::Sub(at.Load(logits), v_lse))), logits);
  });
}

void BackwardRows(const CrossEntropyBackwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    float* logits = a.logits + row * a.logits_stride;
    const int64_t target = a.targets[row];
    if (target < 0) {
      std::fill_n(logits, a.columns, 0.0f);
      continue;
    }
    BackwardRow(logits, a.columns, a.lse[row], a.dloss[row]);
    const int64_t column = target - a.vocab_start;
    if (column >= 0 && column < a.columns) logits[column] -= a.dloss[row];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(ForwardRows);
HWY_EXPORT(BackwardRows);

void CrossEntropyForwardCpu(const CrossEntropyForwardArgs& args) { ParallelRows(args, HWY_DYNAMIC_DISPATCH(ForwardRows)); }

void CrossEntropyBackwardCpu(const CrossEntropyBackwardArgs& args) { ParallelRows(args, HWY_DYNAMIC_DISPATCH(BackwardRows)); }

}  // namespace cai
#endif
