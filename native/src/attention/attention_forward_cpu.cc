#include <cmath>

#include "attention/attention.h"
#include "attention/forward_job.h"
#include "attention/tile_schedule.h"
#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/attention_forward_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "attention/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

void PackForwardTile(const ForwardJob& job, const AttentionUnit& unit, int64_t tile, const ForwardTile& packed) {
  const AttentionForwardArgs& a = job.args;
  const int64_t first = tile * kKeyTile;
  const int64_t count = std::min<int64_t>(kKeyTile, a.shape.keys - first);
  PackTransposed(a.k.at(unit.b, first, unit.kv_head), a.k.token_stride, count, a.shape.dim, packed.keys);
  *packed.finite = PackRows(a.v.at(unit.b, first, unit.kv_head), a.v.token_stride, count, a.shape.dim, job.padded_dim,
                            packed.values);
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
  const float before = rows.state.max[r];
  const float tile_max = hn::GetLane(hn::MaxOfLanes(d, top));
  float* sums = rows.state.sums + r * kKeyRun;
  if (!(tile_max <= before)) {
    rows.state.max[r] = tile_max;
    if (before != -HUGE_VALF) {
      const VF factor = Exp2(hn::Set(d, before - tile_max));
      hn::StoreU(hn::Mul(hn::LoadU(d, sums), factor), d, sums);
      float* out = rows.state.out + r * job.padded_dim;
      for (int64_t i = 0; i < job.padded_dim; i += kLanes) {
        hn::StoreU(hn::Mul(hn::LoadU(d, out + i), factor), d, out + i);
      }
    }
  } else if (tile_max == -HUGE_VALF && !rows.state.seen[r]) {
    for (int64_t j = begin; j < end; j += kLanes) {
      if (!kMasked || !hn::AllFalse(d, mask->At(first_key + j))) rows.state.seen[r] = 1;
    }
  }
  // Any finite base serves a row whose logits are all -infinity.
  const VF base = hn::Set(d, rows.state.max[r] == -HUGE_VALF ? 0.0f : rows.state.max[r]);
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

// Rows [first, last) and keys [begin, end) of one tile; `mask_keys` is null where all of these cells are visible.
struct CellRange {
  int64_t tile, first, last, begin, end;
  const KeyArrays* mask_keys;
};

// Adds the values of visible keys times their probabilities. A hidden key's zero must not meet a NaN or an infinity.
void AddVisible(const ForwardJob& job, const RowBlock& block, const ForwardRows& rows, const CellRange& cells,
                const float* values, int64_t stride) {
  const int64_t padded = job.padded_dim;
  for (int64_t r = cells.first; r < cells.last; ++r) {
    for (int64_t j = cells.begin; j < cells.end; ++j) {
      const int64_t key = cells.tile * kKeyTile + j;
      if (!job.plan.Sees(*cells.mask_keys, block.index[r], block.position[r], key)) continue;
      AddScaled(padded, rows.logits[r * kKeyTile + j], values + j * stride, rows.state.out + r * padded);
    }
  }
}

// Adds one range of cells to the block's state.
void ForwardCells(const ForwardJob& job, const RowBlock& block, const ForwardRows& rows, const ForwardTile& packed,
                  const CellRange& cells) {
  const int64_t padded = job.padded_dim, count = cells.last - cells.first, width = cells.end - cells.begin;
  float* logits = rows.logits + cells.first * kKeyTile + cells.begin;
  Product(count, width, job.args.shape.dim, {rows.q + cells.first * padded, padded, 1}, packed.keys + cells.begin,
          kKeyTile, logits, kKeyTile, false);
  SoftmaxRows(job, block, rows, cells.first, cells.last, cells.begin, cells.end, cells.mask_keys,
              cells.tile * kKeyTile);
  if (cells.mask_keys && *packed.finite == 0.0f) {
    AddVisible(job, block, rows, cells, packed.values, padded);
    return;
  }
  Product(count, padded, width, {logits, kKeyTile, 1}, packed.values + cells.begin * padded, padded,
          rows.state.out + cells.first * padded, padded, true);
}

// The same for a whole tile of very few rows, whose keys and values are read once, where they are.
void ForwardDirect(const ForwardJob& job, const AttentionUnit& unit, const RowBlock& block, const ForwardRows& rows,
                   int64_t tile, const KeyArrays* mask_keys) {
  const AttentionForwardArgs& a = job.args;
  const int64_t first = tile * kKeyTile, dim = a.shape.dim;
  const int64_t count = std::min<int64_t>(kKeyTile, a.shape.keys - first);
  const float* k = a.k.at(unit.b, first, unit.kv_head);
  const float* v = a.v.at(unit.b, first, unit.kv_head);
  for (int64_t j = 0; j < count; ++j) {
    PrefetchRow(k + (j + kPrefetchRows) * a.k.token_stride, dim);
    PrefetchRow(v + j * a.v.token_stride, dim);
    for (int64_t r = 0; r < block.rows; ++r) {
      rows.logits[r * kKeyTile + j] = Dot(dim, rows.q + r * dim, k + j * a.k.token_stride);
    }
  }
  SoftmaxRows(job, block, rows, 0, block.rows, 0, kKeyTile, mask_keys, first);
  if (mask_keys) {
    AddVisible(job, block, rows, {tile, 0, block.rows, 0, count, mask_keys}, v, a.v.token_stride);
  } else {
    Product(block.rows, dim, count, {rows.logits, kKeyTile, 1}, v, a.v.token_stride, rows.state.out, dim, true);
  }
}

void StartRows(const ForwardJob& job, const AttentionUnit& unit, const RowBlock& block, const ForwardRows& rows) {
  const AttentionForwardArgs& a = job.args;
  const float factor = a.softcap > 0 ? a.scale / a.softcap : a.scale * kLog2E;
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t row = block.first + r, t = unit.token(row), h = unit.head(row);
    PrefetchRow(a.q.at(unit.b, t + kPrefetchRows, h), a.shape.dim);
    PrefetchRowForWriting(a.out.at(unit.b, t, h), a.shape.dim);
    PackRow(a.q.at(unit.b, t, h), a.shape.dim, job.padded_dim, factor, rows.q + r * job.padded_dim);
    rows.state.max[r] = -HUGE_VALF;
    rows.state.seen[r] = 0;
  }
  std::fill(rows.state.out, rows.state.out + block.rows * job.padded_dim, 0.0f);
  std::fill(rows.state.sums, rows.state.sums + block.rows * kKeyRun, 0.0f);
}

void FinishRows(const ForwardJob& job, const AttentionUnit& unit, int64_t first_row, int64_t count,
                const RowState& state) {
  const AttentionForwardArgs& a = job.args;
  const DF d;
  for (int64_t r = 0; r < count; ++r) {
    const int64_t row = first_row + r, t = unit.token(row), h = unit.head(row);
    const float sum = hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, state.sums + r * kKeyRun)));
    float lse = kLn2 * (state.max[r] + std::log2(sum));
    float factor = 1.0f / sum;
    if (state.max[r] == -HUGE_VALF) {
      // Nobody seen: zeros. Seen, but every logit is -infinity: 0 / 0.
      lse = state.seen[r] != 0.0f ? NAN : -HUGE_VALF;
      factor = state.seen[r] != 0.0f ? NAN : 0.0f;
    }
    a.lse[(unit.b * a.shape.heads + h) * a.shape.queries + t] = lse;
    StoreScaled(a.shape.dim, factor, state.out + r * job.padded_dim, a.out.at(unit.b, t, h));
  }
}

// One block against tiles [tile_begin, tile_end), packed into their slots when `schedule` meets them first.
void ForwardBlock(const ForwardJob& job, const AttentionUnit& unit, int64_t block_index, int64_t tile_begin,
                  int64_t tile_end, const TileSchedule& schedule, float* slots, const ForwardRows& rows) {
  const int64_t first = block_index * kBlockRowCount;
  const RowBlock block(job.plan, unit, first, std::min(kBlockRowCount, unit.rows - first), kBlockRows);
  const KeyArrays keys = job.plan.keys(unit.b);
  StartRows(job, unit, block, rows);
  job.plan.ForVisibleTiles(block.bounds, keys, tile_begin, tile_end, [&](int64_t tile, Visibility seen) {
    if (job.direct(unit.rows)) {
      ForwardDirect(job, unit, block, rows, tile, seen == Visibility::kFull ? nullptr : &keys);
      return;
    }
    const size_t at = static_cast<size_t>(tile);
    const ForwardTile packed(job, slots, schedule.slot[at]);
    if (schedule.first[at] == block_index) PackForwardTile(job, unit, tile, packed);
    const TileCells cells(job.plan, block, seen, keys.runs + tile * kRunsPerTile);
    for (int g = 0; g < block.groups(); ++g) {
      if (cells.begin[g] >= cells.end[g]) continue;
      const int64_t row = g * kBlockRows;
      ForwardCells(job, block, rows, packed,
                   {tile, row, std::min<int64_t>(block.rows, row + kBlockRows), cells.begin[g] * kKeyRun,
                    cells.end[g] * kKeyRun, cells.masked[g] ? &keys : nullptr});
    }
  });
}

// All blocks of one part of a unit.
void ForwardPart(const ForwardJob& job, const AttentionUnit& unit, int64_t part, const TileSchedule& schedule,
                 float* slots, const ForwardRows& rows) {
  for (int64_t block = part; block < job.blocks; block += job.parts) {
    ForwardBlock(job, unit, block, 0, job.plan.tiles(), schedule, slots, rows);
    const int64_t first = block * kBlockRowCount;
    FinishRows(job, unit, first, std::min(kBlockRowCount, unit.rows - first), rows.state);
  }
}

// The only block of a unit against one run of its keys.
void ForwardChunk(const ForwardJob& job, const AttentionUnit& unit, int64_t chunk, const TileSchedule& schedule,
                  float* slot, const ForwardRows& rows) {
  const int64_t begin = chunk * ForwardJob::kChunkTiles;
  ForwardBlock(job, unit, 0, begin, std::min(job.plan.tiles(), begin + ForwardJob::kChunkTiles), schedule, slot, rows);
}

// Merges a unit's chunks, in order, into the first, and writes the result.
void FinishChunks(const ForwardJob& job, const AttentionUnit& unit, float* states) {
  const RowState into(job, states);
  for (int64_t chunk = 1; chunk < job.chunks; ++chunk) {
    const RowState from(job, states + chunk * RowState::Floats(job));
    for (int64_t r = 0; r < unit.rows; ++r) {
      const float old_max = into.max[r], max = from.max[r] <= old_max ? old_max : from.max[r];
      into.seen[r] = std::max(into.seen[r], from.seen[r]);
      into.max[r] = max;
      if (max == -HUGE_VALF) continue;
      const float keep = Exp2(old_max - max), factor = Exp2(from.max[r] - max);
      float* sums = into.sums + r * kKeyRun;
      float* out = into.out + r * job.padded_dim;
      StoreScaled(kKeyRun, keep, sums, sums);
      AddScaled(kKeyRun, factor, from.sums + r * kKeyRun, sums);
      StoreScaled(job.padded_dim, keep, out, out);
      AddScaled(job.padded_dim, factor, from.out + r * job.padded_dim, out);
    }
  }
  FinishRows(job, unit, 0, unit.rows, into);
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(ForwardPart);
HWY_EXPORT(ForwardChunk);
HWY_EXPORT(FinishChunks);

namespace {

float* Scratch(ScratchSlot slot, int64_t floats) {
  return static_cast<float*>(ThreadScratch(slot, static_cast<size_t>(floats) * sizeof(float)));
}

void ForwardByParts(const ForwardJob& job) {
  const TileSchedules schedules(job.plan, job.args.shape, kBlockRowCount, job.blocks, job.parts);
  ThreadPool::Get().Run(job.units * job.parts, [&](int64_t index) {
    const AttentionUnit unit(job.args.shape, index / job.parts);
    const TileSchedule& schedule = schedules.at(unit, index % job.parts);
    float* memory = Scratch(ScratchSlot::kKernel, RowState::Floats(job) + ForwardRows::Floats(job));
    const ForwardRows rows(job, RowState(job, memory), memory + RowState::Floats(job));
    float* slots = Scratch(ScratchSlot::kPackA, schedule.slots * ForwardTile::Floats(job));
    HWY_DYNAMIC_DISPATCH(ForwardPart)(job, unit, index % job.parts, schedule, slots, rows);
  });
}

void ForwardByChunks(const ForwardJob& job) {
  ThreadPool& pool = ThreadPool::Get();
  const int64_t state_floats = RowState::Floats(job);
  float* states = Scratch(ScratchSlot::kPackB, job.units * job.chunks * state_floats);
  const TileSchedules schedules(job.plan, job.args.shape, kBlockRowCount, 1, 1);
  pool.Run(job.units * job.chunks, [&](int64_t index) {
    const AttentionUnit unit(job.args.shape, index / job.chunks);
    const ForwardRows rows(job, RowState(job, states + index * state_floats),
                           Scratch(ScratchSlot::kKernel, ForwardRows::Floats(job)));
    float* slot = Scratch(ScratchSlot::kPackA, ForwardTile::Floats(job));
    HWY_DYNAMIC_DISPATCH(ForwardChunk)(job, unit, index % job.chunks, schedules.at(unit, 0), slot, rows);
  });
  pool.Run(job.units, [&](int64_t index) {
    HWY_DYNAMIC_DISPATCH(FinishChunks)(job, AttentionUnit(job.args.shape, index),
                                       states + index * job.chunks * state_floats);
  });
}

}  // namespace

void AttentionForwardCpu(const AttentionForwardArgs& args) {
  if (args.shape.queries == 0 || args.shape.heads == 0) return;
  const MaskPlan plan(args.shape, args.mask);
  const ForwardJob job(args, plan, ThreadPool::Get().size());
  if (job.chunks == 1) ForwardByParts(job);
  else ForwardByChunks(job);
}

}  // namespace cai
#endif
