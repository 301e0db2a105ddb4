#include "matmul/matmul_amx.h"

#include <algorithm>
#include <atomic>

#include "core/cpu_target.h"
#include "core/thread_pool.h"
#include "matmul/amx_kernel.h"

namespace cai {
namespace matmul {

#if CAI_AMX

namespace {

// Below either, splitting and packing cost more than the tiles save.
constexpr int64_t kLeastSide = 64;
constexpr double kLeastWork = 16e6;

constexpr int64_t kMaxDepth = 512;    // k of a pass: a panel of it is 96 KiB
constexpr int64_t kOwnPanels = 4;     // of a task: with them and a shared panel half of a 2 MiB second-level cache is free

int64_t Panels(int64_t n) { return (n + kAmxWidth - 1) / kAmxWidth; }

// One operand in one pass over K.
struct Side {
  const float* data;
  int64_t stride, extent, depth;
  bool depth_in_rows, left;

  int64_t panels() const { return Panels(extent); }
  int64_t panel_bytes() const { return (depth + kAmxStep - 1) / kAmxStep * kAmxStepBytes; }

  bool Pack(int64_t panel, uint8_t* to) const {
    const int64_t at = panel * kAmxWidth;
    return PackPanel({data + at * (depth_in_rows ? 1 : stride), stride, std::min(kAmxWidth, extent - at), depth,
                      depth_in_rows, left},
                     to);
  }
};

Side SideOf(const MatrixIn& matrix, int64_t batch, int64_t k, int64_t depth, int64_t extent, bool depth_in_rows, bool left) {
  const float* data = matrix.data + batch * matrix.batch_stride + k * (depth_in_rows ? matrix.stride : 1);
  return {data, matrix.stride, extent, depth, depth_in_rows, left};
}

uint8_t* Scratch(ScratchSlot slot, int64_t bytes) {
  return static_cast<uint8_t*>(ThreadScratch(slot, static_cast<size_t>(bytes)));
}

// One pass over K. The operand with fewer panels is packed once for all tasks; a task packs its own panels of the other.
class Pass {
 public:
  Pass(const MatmulArgs& args, int64_t batch, int64_t k, int64_t depth)
      : args_(args), batch_(batch), k_(k), depth_(depth) {
    const Side a = SideOf(args.a, batch, k, depth, args.m, args.transpose_a, true);
    const Side b = SideOf(args.b, batch, k, depth, args.n, !args.transpose_b, false);
    own_ = a.extent >= b.extent ? a : b;
    shared_ = a.extent >= b.extent ? b : a;
  }

  void Run() {
    ThreadPool& pool = ThreadPool::Get();
    packed_ = Scratch(ScratchSlot::kAmxShared, shared_.panels() * shared_.panel_bytes());
    pool.ParallelRange(shared_.panels(), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        if (!shared_.Pack(i, packed_ + i * shared_.panel_bytes())) shared_fits_ = false;
      }
    });
    const int64_t threads = pool.size(), own = own_.panels();
    const int64_t rounds = (own + kOwnPanels * threads - 1) / (kOwnPanels * threads);
    const int64_t slices = std::min(own, rounds * threads);
    const int64_t cuts = std::min(shared_.panels(), (threads + slices - 1) / slices);
    pool.Run(slices * cuts, [&](int64_t task) {
      const int64_t slice = task / cuts, cut = task % cuts;
      RunTask(own * slice / slices, own * (slice + 1) / slices, shared_.panels() * cut / cuts,
              shared_.panels() * (cut + 1) / cuts);
    });
  }

 private:
  void RunTask(int64_t own_begin, int64_t own_end, int64_t shared_begin, int64_t shared_end) {
    const int64_t bytes = own_.panel_bytes();
    uint8_t* panels = Scratch(ScratchSlot::kAmxOwn, (own_end - own_begin) * bytes);
    bool fits = shared_fits_;
    for (int64_t i = own_begin; i < own_end; ++i) fits &= own_.Pack(i, panels + (i - own_begin) * bytes);
    const TileSession session;
    for (int64_t j = shared_begin; j < shared_end; ++j) {
      for (int64_t i = own_begin; i < own_end; ++i) {
        RunBlock(i, panels + (i - own_begin) * bytes, j, packed_ + j * bytes, fits);
      }
    }
  }

  void RunBlock(int64_t own, const uint8_t* own_panel, int64_t shared, const uint8_t* shared_panel, bool fits) {
    alignas(64) float sums[kAmxWidth * kAmxWidth];
    const int64_t row = kAmxWidth * (own_.left ? own : shared), column = kAmxWidth * (own_.left ? shared : own);
    const Block block = {batch_, row, std::min(kAmxWidth, args_.m - row), column, std::min(kAmxWidth, args_.n - column),
                         k_, depth_, k_ == 0, k_ + depth_ == args_.k};
    const float* out = args_.out.data + batch_ * args_.out.batch_stride + row * args_.out.stride + column;
    for (int64_t i = 0; i < block.rows; ++i) {  // to be there when the products are
      __builtin_prefetch(out + i * args_.out.stride, 1);
      __builtin_prefetch(out + i * args_.out.stride + block.columns / 2, 1);
    }
    if (fits) {
      MultiplyPanels(own_.left ? own_panel : shared_panel, own_.left ? shared_panel : own_panel,
                     own_.panel_bytes() / kAmxStepBytes, sums);
      if (args_.alpha != 1.0f) ScaleSums(args_.alpha, sums);
    } else {
      MultiplyBlock(args_, block, sums);
    }
    FinishBlock(args_, block, sums);
  }

  const MatmulArgs& args_;
  const int64_t batch_, k_, depth_;
  Side own_, shared_;
  uint8_t* packed_ = nullptr;
  std::atomic<bool> shared_fits_{true};
};

}  // namespace

bool MultiplyAmx(const MatmulArgs& args) {
  if (std::min({args.m, args.n, args.k}) < kLeastSide || !HasAmx()) return false;
  if (static_cast<double>(args.m) * static_cast<double>(args.n) * static_cast<double>(args.k) < kLeastWork) return false;
  const int64_t passes = (args.k + kMaxDepth - 1) / kMaxDepth;
  const int64_t depth = (args.k + passes * kAmxStep - 1) / (passes * kAmxStep) * kAmxStep;
  for (int64_t batch = 0; batch < args.batch; ++batch) {
    for (int64_t k = 0; k < args.k; k += depth) Pass(args, batch, k, std::min(depth, args.k - k)).Run();
  }
  return true;
}

#else

bool MultiplyAmx(const MatmulArgs&) { return false; }

#endif

}  // namespace matmul
}  // namespace cai
