#include "embedding/embedding.h"

#include "core/row_layout.h"
#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "embedding/embedding_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Ids are known ahead, so rows of the table are asked for this many ids before their turn: the processor can't guess
// where they lie.
constexpr int64_t kAhead = 6;

void AddRow(const float* from, float* to, int64_t columns) {
  ForEachVector(columns, [&](auto at) { at.Store(hn::Add(at.Load(to), at.Load(from)), to); });
}

void GatherRows(const EmbeddingForwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    if (n + kAhead < end) PrefetchRow(a.weight + a.ids[n + kAhead] * a.weight_stride, a.columns);
    const float* row = a.weight + a.ids[n] * a.weight_stride;
    float* out = a.out + n * a.out_stride;
    if (a.accumulate) {
      AddRow(row, out, a.columns);
    } else {
      ForEachVector(a.columns, [&](auto at) { at.Store(at.Load(row), out); });
    }
  }
}

// Columns [begin, end) of every row.
void ScatterColumns(const EmbeddingBackwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t n = 0; n < a.count; ++n) {
    if (n + kAhead < a.count) PrefetchRow(a.dweight + a.ids[n + kAhead] * a.dweight_stride + begin, end - begin);
    AddRow(a.dout + n * a.dout_stride + begin, a.dweight + a.ids[n] * a.dweight_stride + begin, end - begin);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(GatherRows);
HWY_EXPORT(ScatterColumns);

void EmbeddingForwardCpu(const EmbeddingForwardArgs& args) {
  ThreadPool::Get().ParallelRange(args.count, RowGrain(args.columns), [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(GatherRows)(args, begin, end);
  });
}

void EmbeddingBackwardCpu(const EmbeddingBackwardArgs& args) {
  // Whole blocks of two cache lines, so that threads rarely share one; few ids are not worth waking a thread for.
  constexpr int64_t kBlock = 32;
  const int64_t blocks = (args.columns + kBlock - 1) / kBlock;
  ThreadPool::Get().ParallelRange(blocks, RowGrain(args.count * kBlock), [&](int64_t begin, int64_t end, int) {
    const int64_t last = end * kBlock < args.columns ? end * kBlock : args.columns;
    HWY_DYNAMIC_DISPATCH(ScatterColumns)(args, begin * kBlock, last);
  });
}

}  // namespace cai
#endif
