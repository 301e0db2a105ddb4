#include <cmath>

#include "attention/attention.h"
#include "attention/backward_job.h"
#include "attention/tile_schedule.h"
#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/attention_backward_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "attention/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

// Packs a tile and clears its gradients.
void StartTile(const BackwardJob& job, const AttentionUnit& unit, int64_t tile, const BackwardTile& packed) {
  const AttentionBackwardArgs& a = job.args;
  const int64_t first = tile * kKeyTile;
  const int64_t count = std::min<int64_t>(kKeyTile, a.shape.keys - first);
  const float* k = a.k.at(unit.b, first, unit.kv_head);
  PackTransposed(k, a.k.token_stride, count, a.shape.dim, packed.keys_transposed);
  PackTransposed(a.v.at(unit.b, first, unit.kv_head), a.v.token_stride, count, a.shape.dim, packed.values_transposed);
  *packed.finite = PackRows(k, a.k.token_stride, count, a.shape.dim, job.padded_dim, packed.keys);
  std::fill(packed.dk, packed.dk + job.tile_size(), 0.0f);
  std::fill(packed.dv, packed.dv + job.tile_size(), 0.0f);
}

// Writes a tile's gradients, scaled.
void WriteTile(const BackwardJob& job, const AttentionUnit& unit, int64_t tile, const float* dk, const float* dv) {
  const AttentionBackwardArgs& a = job.args;
  // dSᵀ was multiplied by the packed q, which carries this factor's inverse beside scale.
  const float factor = a.softcap > 0 ? a.softcap : kLn2;
  const int64_t first = tile * kKeyTile, count = std::min<int64_t>(kKeyTile, a.shape.keys - first);
  for (int64_t j = 0; j < count; ++j) {
    float* dk_row = a.dk.at(unit.b, first + j, unit.kv_head);
    float* dv_row = a.dv.at(unit.b, first + j, unit.kv_head);
    PrefetchRowForWriting(dk_row + kPrefetchRows * a.dk.token_stride, a.shape.dim);
    PrefetchRowForWriting(dv_row + kPrefetchRows * a.dv.token_stride, a.shape.dim);
    StoreScaled(a.shape.dim, factor, dk + j * job.padded_dim, dk_row);
    StoreScaled(a.shape.dim, 1.0f, dv + j * job.padded_dim, dv_row);
  }
}

// The gradient of Σ c · (lse − z0)² by a row's lse; 0 where the row sees nothing.
float ZregGradient(const AttentionBackwardArgs& a, int64_t b, int64_t t, int64_t h, float lse) {
  if (!a.zreg_coefficients || lse == -HUGE_VALF) return 0.0f;
  const float target = a.zreg_targets ? a.zreg_targets[b * a.shape.queries + t] : 0.0f;
  return 2.0f * a.zreg_coefficients[h] * (lse - target);
}

void StartRows(const BackwardJob& job, const AttentionUnit& unit, const RowBlock& block, BackwardRows& rows) {
  const AttentionBackwardArgs& a = job.args;
  const int64_t dim = a.shape.dim, padded = job.padded_dim;
  const float factor = a.softcap > 0 ? a.scale / a.softcap : a.scale * kLog2E;
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t row = block.first + r, t = unit.token(row), h = unit.head(row);
    const float* dout = a.dout.at(unit.b, t, h);
    PrefetchRow(a.q.at(unit.b, t + kPrefetchRows, h), dim);
    PrefetchRow(a.dout.at(unit.b, t + kPrefetchRows, h), dim);
    PrefetchRow(a.out.at(unit.b, t + kPrefetchRows, h), dim);
    PrefetchRowForWriting(a.dq.at(unit.b, t, h), dim);
    rows.q_finite = PackRow(a.q.at(unit.b, t, h), dim, padded, factor, rows.q + r * padded) && rows.q_finite;
    rows.dout_finite = PackRow(dout, dim, padded, 1.0f, rows.dout + r * padded) && rows.dout_finite;
    const float lse = a.lse[(unit.b * a.shape.heads + h) * a.shape.queries + t];
    rows.lse[r] = lse * kLog2E;
    rows.delta[r] = Dot(dim, dout, a.out.at(unit.b, t, h)) - ZregGradient(a, unit.b, t, h, lse);
  }
  std::fill(rows.dq, rows.dq + block.rows * padded, 0.0f);
}

// Turns logits and dout · vᵀ of one row into probabilities and gradients of the logits, zero outside columns [begin, end).
template <bool kMasked, bool kCapped>
void GradientRow(const BackwardJob& job, const BackwardRows& rows, int64_t r, int64_t begin, int64_t end,
                 const RowMask* mask, int64_t first_key) {
  const DF d;
  float* p_row = rows.p + r * kKeyTile;
  float* ds_row = rows.ds + r * kKeyTile;
  const VF cap = hn::Set(d, job.args.softcap * kLog2E);
  const VF lse = hn::Set(d, rows.lse[r]);
  const VF delta = hn::Set(d, rows.delta[r]);
  for (int64_t j = begin; j < end; j += kLanes) {
    VF s = hn::LoadU(d, p_row + j);
    VF slope = s;
    if (kCapped) {
      const VF t = Tanh(d, s);
      s = hn::Mul(cap, t);
      slope = hn::NegMulAdd(t, t, hn::Set(d, 1.0f));
    }
    VF p = Exp2(hn::Sub(s, lse));
    VF ds = hn::Mul(p, hn::Sub(hn::LoadU(d, ds_row + j), delta));
    if (kCapped) ds = hn::Mul(ds, slope);
    if (kMasked) {
      const auto seen = mask->At(first_key + j);
      p = hn::IfThenElseZero(seen, p);
      ds = hn::IfThenElseZero(seen, ds);
    }
    hn::StoreU(p, d, p_row + j);
    hn::StoreU(ds, d, ds_row + j);
  }
  for (float* row : {p_row, ds_row}) {
    std::fill(row, row + begin, 0.0f);
    std::fill(row + end, row + kKeyTile, 0.0f);
  }
}

// Probabilities and logit gradients of rows [first, last) and keys [begin, end) of a tile.
void GradientCells(const BackwardJob& job, const RowBlock& block, const BackwardRows& rows, const BackwardTile& packed,
                   int64_t first_key, int64_t first, int64_t last, int64_t begin, int64_t end,
                   const KeyArrays* mask_keys) {
  const int64_t dim = job.args.shape.dim, padded = job.padded_dim, cell = first * kKeyTile + begin;
  Product(last - first, end - begin, dim, {rows.q + first * padded, padded, 1}, packed.keys_transposed + begin,
          kKeyTile, rows.p + cell, kKeyTile, false);
  Product(last - first, end - begin, dim, {rows.dout + first * padded, padded, 1}, packed.values_transposed + begin,
          kKeyTile, rows.ds + cell, kKeyTile, false);
  const bool capped = job.args.softcap > 0;
  for (int64_t r = first; r < last; ++r) {
    if (mask_keys) {
      const RowMask mask(*mask_keys, block.index[r], block.position[r], job.plan.window());
      (capped ? GradientRow<true, true> : GradientRow<true, false>)(job, rows, r, begin, end, &mask, first_key);
    } else {
      (capped ? GradientRow<false, true> : GradientRow<false, false>)(job, rows, r, begin, end, nullptr, first_key);
    }
  }
}

// Calls visit(r, j) for each visible cell of a tile, rows first.
template <typename F>
void ForVisible(const BackwardJob& job, const RowBlock& block, const KeyArrays& keys, int64_t tile, F&& visit) {
  for (int64_t r = 0; r < block.rows; ++r) {
    for (int64_t j = 0; j < kKeyTile; ++j) {
      if (job.plan.Sees(keys, block.index[r], block.position[r], tile * kKeyTile + j)) visit(r, j);
    }
  }
}

// Adds what a block and a tile owe to each other's gradients.
void BackwardCells(const BackwardJob& job, const RowBlock& block, const BackwardRows& rows, const BackwardTile& packed,
                   const KeyArrays& keys, int64_t tile, Visibility seen) {
  const int64_t padded = job.padded_dim;
  const TileCells cells(job.plan, block, seen, keys.runs + tile * kRunsPerTile);
  // A hidden cell's zero must not meet a NaN or an infinity; where all is visible there is none.
  const bool full = seen == Visibility::kFull;
  const bool keys_safe = full || *packed.finite != 0.0f;
  const bool q_safe = full || rows.q_finite, dout_safe = full || rows.dout_finite;
  for (int g = 0; g < block.groups(); ++g) {
    const int64_t first = g * kBlockRows, last = std::min<int64_t>(block.rows, first + kBlockRows);
    const int64_t begin = std::min(cells.begin[g], cells.end[g]) * kKeyRun, end = cells.end[g] * kKeyRun;
    GradientCells(job, block, rows, packed, tile * kKeyTile, first, last, begin, end, cells.masked[g] ? &keys : nullptr);
    if (begin == end || !keys_safe) continue;
    Product(last - first, padded, end - begin, {rows.ds + first * kKeyTile + begin, kKeyTile, 1},
            packed.keys + begin * padded, padded, rows.dq + first * padded, padded, true);
  }
  const int64_t key_step = full ? kKeyTile : kKeyRun;
  for (int64_t key = 0; key < kKeyTile; key += key_step) {
    const int64_t first = cells.row_begin[key / kKeyRun], count = cells.row_end[key / kKeyRun] - first;
    if (count <= 0) continue;
    const int64_t cell = first * kKeyTile + key;
    if (dout_safe) {
      Product(key_step, padded, count, {rows.p + cell, 1, kKeyTile}, rows.dout + first * padded, padded,
              packed.dv + key * padded, padded, true);
    }
    if (q_safe) {
      Product(key_step, padded, count, {rows.ds + cell, 1, kKeyTile}, rows.q + first * padded, padded,
              packed.dk + key * padded, padded, true);
    }
  }
  if (keys_safe && dout_safe && q_safe) return;
  ForVisible(job, block, keys, tile, [&](int64_t r, int64_t j) {
    const float p = rows.p[r * kKeyTile + j], ds = rows.ds[r * kKeyTile + j];
    if (!keys_safe) AddScaled(padded, ds, packed.keys + j * padded, rows.dq + r * padded);
    if (!dout_safe) AddScaled(padded, p, rows.dout + r * padded, packed.dv + j * padded);
    if (!q_safe) AddScaled(padded, ds, rows.q + r * padded, packed.dk + j * padded);
  });
}

// One block against all tiles. A tile is packed for the first block that sees it; after the last, finish(tile, packed).
template <typename F>
void BackwardBlock(const BackwardJob& job, const AttentionUnit& unit, int64_t block_index, const TileSchedule& schedule,
                   float* slots, BackwardRows rows, F&& finish) {
  const int64_t first = block_index * kBlockRowCount;
  const RowBlock block(job.plan, unit, first, std::min(kBlockRowCount, unit.rows - first), kBlockRows);
  const KeyArrays keys = job.plan.keys(unit.b);
  StartRows(job, unit, block, rows);
  job.plan.ForVisibleTiles(block.bounds, keys, 0, job.plan.tiles(), [&](int64_t tile, Visibility seen) {
    const size_t at = static_cast<size_t>(tile);
    const BackwardTile packed(job, slots, schedule.slot[at]);
    if (schedule.first[at] == block_index) StartTile(job, unit, tile, packed);
    BackwardCells(job, block, rows, packed, keys, tile, seen);
    if (schedule.last[at] == block_index) finish(tile, packed);
  });
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t row = block.first + r;
    StoreScaled(job.args.shape.dim, job.args.scale, rows.dq + r * job.padded_dim,
                job.args.dq.at(unit.b, unit.token(row), unit.head(row)));
  }
}

// Blocks part, part + parts, ... of a unit: under a causal mask each part then has its share of long ones. Gradients of
// tiles go to the outputs, or to `sums` [2, tiles, 64, Dp] where there are several parts.
void BackwardPart(const BackwardJob& job, const AttentionUnit& unit, int64_t part, const TileSchedule& schedule,
                  float* slots, float* sums, const BackwardRows& rows) {
  const int64_t size = job.tile_size(), half = job.part_size() / 2;
  const auto finish = [&](int64_t tile, const BackwardTile& packed) {
    if (!sums) return WriteTile(job, unit, tile, packed.dk, packed.dv);
    std::copy(packed.dk, packed.dk + size, sums + tile * size);
    std::copy(packed.dv, packed.dv + size, sums + half + tile * size);
  };
  for (int64_t block = part; block < job.blocks; block += job.parts) {
    BackwardBlock(job, unit, block, schedule, slots, rows, finish);
  }
  // Tiles that nobody sees.
  const BackwardTile zero(job, slots, 0);
  std::fill(zero.dk, zero.dk + size, 0.0f);
  std::fill(zero.dv, zero.dv + size, 0.0f);
  for (int64_t tile = 0; tile < job.plan.tiles(); ++tile) {
    if (schedule.first[static_cast<size_t>(tile)] < 0) finish(tile, zero);
  }
}

// Adds up the parts of one tile's gradients, in order, and writes them.
void FinishParts(const BackwardJob& job, const AttentionUnit& unit, int64_t tile, float* sums) {
  const int64_t dk = tile * job.tile_size(), dv = job.part_size() / 2 + dk;
  for (int64_t part = 1; part < job.parts; ++part) {
    AddScaled(job.tile_size(), 1.0f, sums + part * job.part_size() + dk, sums + dk);
    AddScaled(job.tile_size(), 1.0f, sums + part * job.part_size() + dv, sums + dv);
  }
  WriteTile(job, unit, tile, sums + dk, sums + dv);
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(BackwardPart);
HWY_EXPORT(FinishParts);

namespace {

float* Scratch(ScratchSlot slot, int64_t floats) {
  return static_cast<float*>(ThreadScratch(slot, static_cast<size_t>(floats) * sizeof(float)));
}

}  // namespace

void AttentionBackwardCpu(const AttentionBackwardArgs& args) {
  const MaskPlan plan(args.shape, args.mask);
  const BackwardJob job(args, plan);
  ThreadPool& pool = ThreadPool::Get();
  float* sums = job.parts == 1 ? nullptr : Scratch(ScratchSlot::kPackB, job.units * job.parts * job.part_size());
  const TileSchedules schedules(plan, args.shape, kBlockRowCount, job.blocks, job.parts);
  pool.Run(job.units * job.parts, [&](int64_t index) {
    const AttentionUnit unit(args.shape, index / job.parts);
    const int64_t part = index % job.parts;
    const TileSchedule& schedule = schedules.at(unit, part);
    const BackwardRows rows(job, Scratch(ScratchSlot::kKernel, BackwardRows::Floats(job)));
    float* slots = Scratch(ScratchSlot::kPackA, schedule.slots * BackwardTile::Floats(job));
    HWY_DYNAMIC_DISPATCH(BackwardPart)(job, unit, part, schedule, slots,
                                       sums ? sums + index * job.part_size() : nullptr, rows);
  });
  if (!sums) return;
  pool.Run(job.units * plan.tiles(), [&](int64_t index) {
    const int64_t unit = index / plan.tiles();
    HWY_DYNAMIC_DISPATCH(FinishParts)(job, AttentionUnit(args.shape, unit), index % plan.tiles(),
                                      sums + unit * job.parts * job.part_size());
  });
}

}  // namespace cai
#endif
