#include "rotary/rotary.h"

#include "core/row_layout.h"
#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "rotary/rotary_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

struct Turn {
  FloatVec cosine, sine;
};

HWY_INLINE Turn LoadTurn(const float* table, const WholeVector& at) {
  Turn turn;
  hn::LoadInterleaved2(FloatTag(), table + 2 * at.i, turn.cosine, turn.sine);
  return turn;
}

HWY_INLINE Turn LoadTurn(const float* table, const PartVector& at) {
  HWY_ALIGN float rest[2 * hn::MaxLanes(FloatTag())] = {};
  for (int64_t i = 0; i < 2 * at.count; ++i) rest[i] = table[2 * at.i + i];
  return LoadTurn(rest, WholeVector{0});
}

// All heads of one token: a vector of the table serves every head.
void RotateToken(const RotaryArgs& a, const float* table, const float* x, float* out) {
  const int64_t half = a.head_size / 2;
  ForEachVector(half, [&](auto at) {
    Turn turn = LoadTurn(table, at);
    if (a.inverse) turn.sine = hn::Neg(turn.sine);
    for (int64_t h = 0; h < a.heads; ++h) {
      const float* from = x + h * a.x_strides.head;
      float* to = out + h * a.out_strides.head;
      const FloatVec first = at.Load(from);
      const FloatVec second = at.Load(from + half);
      at.Store(hn::NegMulAdd(second, turn.sine, hn::Mul(first, turn.cosine)), to);
      at.Store(hn::MulAdd(first, turn.sine, hn::Mul(second, turn.cosine)), to + half);
    }
  });
}

void RotateTokens(const RotaryArgs& a, int64_t begin, int64_t end) {
  for (int64_t token = begin; token < end; ++token) {
    const int64_t b = token / a.sequence, t = token % a.sequence;
    const int64_t position = a.positions ? a.positions[token] : a.offset + t;
    RotateToken(a, a.table + position * a.head_size, a.x + b * a.x_strides.batch + t * a.x_strides.sequence,
                a.out + b * a.out_strides.batch + t * a.out_strides.sequence);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(RotateTokens);

void RotaryCpu(const RotaryArgs& args) {
  const int64_t grain = RowGrain(args.heads * args.head_size);
  ThreadPool::Get().ParallelRange(args.batch * args.sequence, grain, [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(RotateTokens)(args, begin, end);
  });
}

}  // namespace cai
#endif
