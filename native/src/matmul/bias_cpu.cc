#include <algorithm>
#include <vector>

#include "core/thread_pool.h"
#include "matmul/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "matmul/bias_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// sums[c] += Σ dy[r, c] over rows [begin, end).
void AddRows(const BiasBackwardArgs& a, int64_t begin, int64_t end, float* sums) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t row = begin;
  for (; row + 4 <= end; row += 4) {
    const float* dy = a.dy + row * a.dy_stride;
    int64_t c = 0;
    for (; c + lanes <= a.columns; c += lanes) {
      const auto low = hn::Add(hn::LoadU(d, dy + c), hn::LoadU(d, dy + a.dy_stride + c));
      const auto high = hn::Add(hn::LoadU(d, dy + 2 * a.dy_stride + c), hn::LoadU(d, dy + 3 * a.dy_stride + c));
      hn::StoreU(hn::Add(hn::LoadU(d, sums + c), hn::Add(low, high)), d, sums + c);
    }
    for (; c < a.columns; ++c) {
      sums[c] += (dy[c] + dy[a.dy_stride + c]) + (dy[2 * a.dy_stride + c] + dy[3 * a.dy_stride + c]);
    }
  }
  for (; row < end; ++row) {
    for (int64_t c = 0; c < a.columns; ++c) sums[c] += a.dy[row * a.dy_stride + c];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(AddRows);

void BiasBackwardCpu(const BiasBackwardArgs& args) {
  constexpr int64_t kRowGrain = 64;  // below this, waking a thread costs more than the rows
  ThreadPool& pool = ThreadPool::Get();
  const int64_t parts = std::clamp<int64_t>(args.rows / kRowGrain, 1, pool.size());
  const size_t columns = static_cast<size_t>(args.columns);
  std::vector<float> partials(static_cast<size_t>(parts) * columns, 0.0f);
  pool.Run(parts, [&](int64_t part) {
    HWY_DYNAMIC_DISPATCH(AddRows)(args, args.rows * part / parts, args.rows * (part + 1) / parts,
                                  partials.data() + static_cast<size_t>(part) * columns);
  });
  for (size_t part = 0; part < static_cast<size_t>(parts); ++part) {
    for (size_t c = 0; c < columns; ++c) args.dbias[c] += partials[part * columns + c];
  }
}

}  // namespace cai
#endif
