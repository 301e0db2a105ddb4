#include <cmath>
#include <vector>

#include "attention/attention.h"
#include "attention/forward_job.h"
#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/attention_forward_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "attention/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

struct ForwardRows {
  float* q;       // [rows, Dp], scaled
  float* logits;  // [rows, kKeyTile], then the probabilities
  float* out;     // [rows, Dp], not yet divided by the sum
  float* sums;    // [rows, kLanes], to be added up
  float* max;     // [rows]
  uint8_t* seen;  // [rows]: sees a key, though only logits of -infinity so far

  ForwardRows(const ForwardJob& job, float* scratch) {
    const int64_t rows = job.block_rows;
    q = scratch;
    out = q + rows * job.padded_dim;
    logits = out + rows * job.padded_dim;
    sums = logits + rows * kKeyTile;
    max = sums + rows * kKeyRun;
    seen = reinterpret_cast<uint8_t*>(max + rows);
  }
};

void PackForwardTile(const ForwardJob& job, const AttentionUnit& unit, int64_t tile, const PackedKeys& packed) {
  const AttentionForwardArgs& a = job.args;
  const int64_t first = tile * kKeyTile;
  const int64_t count = std::min<int64_t>(kKeyTile, a.shape.keys - first);
  PackTransposed(a.k.at(unit.b, first, unit.kv_head), a.k.token_stride, count, a.shape.dim, packed.KeyTile(job, tile));
  packed.finite[tile] = PackRows(a.v.at(unit.b, first, unit.kv_head), a.v.token_stride, count, a.shape.dim,
                                 job.padded_dim, packed.ValueTile(job, tile));
}

// Online softmax of one row over columns [begin, end) of its logits.
template <bool kMasked, bool kCapped>
void SoftmaxRow(const ForwardJob& job, const ForwardRows& rows, int64_t r, int64_t begin, int64_t end,
                const RowMask* mask, int64_t first_key) {
  const DF d;
  float* logits = rows.logits + r * kKeyTile;
  const VF cap = hn::Set(d, job.args.softcap * kLog2E);
  const VF lowest = hn::Set(d, -HUGE_VALF);
  VF top = lowest;
  for (int64_t j = begin; j < end; j += kLanes) {
    VF s = hn::LoadU(d, logits + j);
    if (kCapped) s = hn::Mul(cap, Tanh(d, s));
    if (kMasked) s = hn::IfThenElse(mask->At(first_key + j), s, lowest);
    if (kCapped || kMasked) hn::StoreU(s, d, logits + j);
    top = hn::Max(top, s);
  }
  const float before = rows.max[r];
  const float tile_max = hn::GetLane(hn::MaxOfLanes(d, top));
  float* sums = rows.sums + r * kKeyRun;
  if (!(tile_max <= before)) {
    rows.max[r] = tile_max;
    if (before != -HUGE_VALF) {
      const VF factor = Exp2(hn::Set(d, before - tile_max));
      hn::StoreU(hn::Mul(hn::LoadU(d, sums), factor), d, sums);
      float* out = rows.out + r * job.padded_dim;
      for (int64_t i = 0; i < job.padded_dim; i += kLanes) {
        hn::StoreU(hn::Mul(hn::LoadU(d, out + i), factor), d, out + i);
      }
    }
  } else if (tile_max == -HUGE_VALF && !rows.seen[r]) {
    for (int64_t j = begin; j < end; j += kLanes) {
      if (!kMasked || !hn::AllFalse(d, mask->At(first_key + j))) rows.seen[r] = 1;
    }
  }
  // Any finite base serves a row whose logits are all -infinity.
  const VF base = hn::Set(d, rows.max[r] == -HUGE_VALF ? 0.0f : rows.max[r]);
  VF sum = hn::LoadU(d, sums);
  for (int64_t j = begin; j < end; j += kLanes) {
    const VF p = Exp2(hn::Sub(hn::LoadU(d, logits + j), base));
    hn::StoreU(p, d, logits + j);
    sum = hn::Add(sum, p);
  }
  hn::StoreU(sum, d, sums);
}

void SoftmaxRows(const ForwardJob& job, const RowBlock& block, const ForwardRows& rows, int64_t first, int64_t last,
                 int64_t begin, int64_t end, const KeyArrays* mask_keys, int64_t first_key) {
  const bool capped = job.args.softcap > 0;
  for (int64_t r = first; r < last; ++r) {
    if (mask_keys) {
      const RowMask mask(*mask_keys, block.index[r], block.position[r], job.plan.window());
      (capped ? SoftmaxRow<true, true> : SoftmaxRow<true, false>)(job, rows, r, begin, end, &mask, first_key);
    } else {
      (capped ? SoftmaxRow<false, true> : SoftmaxRow<false, false>)(job, rows, r, begin, end, nullptr, first_key);
    }
  }
}

// Adds rows [first, last) times keys [begin, end) of one tile to the block's state.
void ForwardCells(const ForwardJob& job, const RowBlock& block, const ForwardRows& rows, const PackedKeys& packed,
                  int64_t tile, int64_t first, int64_t last, int64_t begin, int64_t end, const KeyArrays* mask_keys) {
  const int64_t dim = job.args.shape.dim, padded = job.padded_dim;
  const float* v = packed.ValueTile(job, tile);
  float* logits = rows.logits + first * kKeyTile;
  Product(last - first, end - begin, dim, {rows.q + first * padded, padded, 1}, packed.KeyTile(job, tile) + begin,
          kKeyTile, logits + begin, kKeyTile, false);
  SoftmaxRows(job, block, rows, first, last, begin, end, mask_keys, tile * kKeyTile);
  if (!mask_keys || packed.finite[tile]) {
    Product(last - first, padded, end - begin, {logits + begin, kKeyTile, 1}, v + begin * padded, padded,
            rows.out + first * padded, padded, true);
    return;
  }
  for (int64_t r = first; r < last; ++r) {
    for (int64_t j = begin; j < end; ++j) {
      if (!job.plan.Sees(*mask_keys, block.index[r], block.position[r], tile * kKeyTile + j)) continue;
      AddScaled(padded, rows.logits[r * kKeyTile + j], v + j * padded, rows.out + r * padded);
    }
  }
}

void StartRows(const ForwardJob& job, const AttentionUnit& unit, const RowBlock& block, const ForwardRows& rows) {
  const AttentionForwardArgs& a = job.args;
  const float factor = a.softcap > 0 ? a.scale / a.softcap : a.scale * kLog2E;
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t row = block.first + r, t = unit.token(row), h = unit.head(row);
    PrefetchRow(a.q.at(unit.b, t + kPrefetchRows, h), a.shape.dim);
    PrefetchRowForWriting(a.out.at(unit.b, t, h), a.shape.dim);
    PackRow(a.q.at(unit.b, t, h), a.shape.dim, job.padded_dim, factor,
            rows.q + r * job.padded_dim);
    rows.max[r] = -HUGE_VALF;
    rows.seen[r] = 0;
  }
  std::fill(rows.out, rows.out + block.rows * job.padded_dim, 0.0f);
  std::fill(rows.sums, rows.sums + block.rows * kKeyRun, 0.0f);
}

void FinishRows(const ForwardJob& job, const AttentionUnit& unit, const RowBlock& block, const ForwardRows& rows) {
  const AttentionForwardArgs& a = job.args;
  const DF d;
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t row = block.first + r, t = unit.token(row), h = unit.head(row);
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, rows.sums + r * kKeyRun)));
    float lse = kLn2 * (rows.max[r] + std::log2(sum));
    if (rows.max[r] == -HUGE_VALF) {
      // Nobody seen: zeros. Seen, but every logit is -infinity: 0 / 0.
      lse = rows.seen[r] ? NAN : -HUGE_VALF;
      sum = rows.seen[r] ? 0.0f : 1.0f;
    }
    a.lse[(unit.b * a.shape.heads + h) * a.shape.queries + t] = lse;
    StoreScaled(a.shape.dim, rows.seen[r] && sum == 0.0f ? NAN : 1.0f / sum, rows.out + r * job.padded_dim,
                a.out.at(unit.b, t, h));
  }
}

void ForwardBlock(const ForwardJob& job, const AttentionUnit& unit, int64_t block_index, const PackedKeys& packed,
                  float* scratch) {
  const int64_t first = block_index * job.block_rows;
  const RowBlock block(job.plan, unit, first, std::min<int64_t>(job.block_rows, unit.rows - first), kBlockRows);
  const ForwardRows rows(job, scratch);
  const KeyArrays keys = job.plan.keys(unit.b);
  StartRows(job, unit, block, rows);
  for (int64_t tile = 0; tile < job.plan.tiles(); ++tile) {
    const Visibility seen = job.plan.Classify(block.bounds, keys.tiles[tile]);
    if (seen == Visibility::kEmpty) continue;
    if (seen == Visibility::kFull) {
      for (int64_t r = 0; r < block.rows; r += kBlockRows) {
        ForwardCells(job, block, rows, packed, tile, r, std::min<int64_t>(block.rows, r + kBlockRows), 0, kKeyTile,
                     nullptr);
      }
      continue;
    }
    const TileCells cells(job.plan, block, keys.runs + tile * kRunsPerTile);
    for (int g = 0; g < block.groups(); ++g) {
      if (cells.begin[g] >= cells.end[g]) continue;
      const int64_t row = g * kBlockRows;
      ForwardCells(job, block, rows, packed, tile, row, std::min<int64_t>(block.rows, row + kBlockRows),
                   cells.begin[g] * kKeyRun, cells.end[g] * kKeyRun, cells.masked[g] ? &keys : nullptr);
    }
  }
  FinishRows(job, unit, block, rows);
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(PackForwardTile);
HWY_EXPORT(ForwardBlock);

namespace {

float* BlockScratch(const ForwardJob& job) {
  const int64_t floats = job.block_rows * (2 * job.padded_dim + kKeyTile + kKeyRun + 2);
  return static_cast<float*>(ThreadScratch(ScratchSlot::kKernel, static_cast<size_t>(floats) * sizeof(float)));
}

// Packs the tiles that some query sees.
void PackTile(const ForwardJob& job, const AttentionUnit& unit, const QueryBounds& queries, int64_t tile,
              const PackedKeys& packed) {
  if (job.plan.Classify(queries, job.plan.keys(unit.b).tiles[tile]) == Visibility::kEmpty) return;
  HWY_DYNAMIC_DISPATCH(PackForwardTile)(job, unit, tile, packed);
}

}  // namespace

void AttentionForwardCpu(const AttentionForwardArgs& args) {
  const MaskPlan plan(args.shape, args.mask);
  const ForwardJob job(args, plan);
  ThreadPool& pool = ThreadPool::Get();
  const int64_t units = args.shape.batch * args.shape.kv_heads;
  if (units == 0 || args.shape.queries == 0 || args.shape.heads == 0) return;
  const int64_t blocks = job.blocks();
  // Whole units keep their packed keys in one core's cache; fewer units than that are shared out by blocks.
  if (units % pool.size() == 0 || units >= 4 * pool.size()) {
    pool.Run(units, [&](int64_t index) {
      const AttentionUnit unit(args.shape, index);
      const PackedKeys packed(job, ThreadScratch(ScratchSlot::kPackA, PackedKeys::Bytes(job)), 0);
      const QueryBounds queries = plan.all_queries(unit.b);
      for (int64_t tile = 0; tile < plan.tiles(); ++tile) PackTile(job, unit, queries, tile, packed);
      float* scratch = BlockScratch(job);
      for (int64_t block = 0; block < blocks; ++block) {
        HWY_DYNAMIC_DISPATCH(ForwardBlock)(job, unit, block, packed, scratch);
      }
    });
    return;
  }
  void* memory = ThreadScratch(ScratchSlot::kPackA, PackedKeys::Bytes(job) * static_cast<size_t>(units));
  std::vector<QueryBounds> queries;
  for (int64_t b = 0; b < args.shape.batch; ++b) queries.push_back(plan.all_queries(b));
  pool.Run(units * plan.tiles(), [&](int64_t index) {
    const AttentionUnit unit(args.shape, index / plan.tiles());
    PackTile(job, unit, queries[static_cast<size_t>(unit.b)], index % plan.tiles(),
             PackedKeys(job, memory, index / plan.tiles()));
  });
  pool.Run(units * blocks, [&](int64_t index) {
    // Late blocks first: under a causal mask they are the long ones.
    HWY_DYNAMIC_DISPATCH(ForwardBlock)(job, AttentionUnit(args.shape, index % units), blocks - 1 - index / units,
                                       PackedKeys(job, memory, index % units), BlockScratch(job));
  });
}

}  // namespace cai
#endif
