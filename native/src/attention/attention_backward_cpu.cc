#include "attention/attention.h"
#include "attention/backward_job.h"
#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/attention_backward_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "attention/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

void PackBackwardTile(const BackwardJob& job, const AttentionUnit& unit, int64_t tile, const BackwardKeys& packed) {
  const AttentionBackwardArgs& a = job.args;
  const int64_t first = tile * kKeyTile, at = tile * job.tile_size();
  const int64_t count = std::min<int64_t>(kKeyTile, a.shape.keys - first);
  const float* k = a.k.at(unit.b, first, unit.kv_head);
  PackTransposed(k, a.k.token_stride, count, a.shape.dim, packed.keys_transposed + at);
  PackTransposed(a.v.at(unit.b, first, unit.kv_head), a.v.token_stride, count, a.shape.dim,
                 packed.values_transposed + at);
  packed.finite[tile] = PackRows(k, a.k.token_stride, count, a.shape.dim, job.padded_dim, packed.keys + at);
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
    rows.lse[r] = a.lse[(unit.b * a.shape.heads + h) * a.shape.queries + t] * kLog2E;
    rows.delta[r] = Dot(dim, dout, a.out.at(unit.b, t, h));
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
void GradientCells(const BackwardJob& job, const RowBlock& block, const BackwardRows& rows, const BackwardKeys& packed,
                   int64_t tile, int64_t first, int64_t last, int64_t begin, int64_t end, const KeyArrays* mask_keys) {
  const int64_t dim = job.args.shape.dim, padded = job.padded_dim, at = tile * job.tile_size() + begin;
  const int64_t cell = first * kKeyTile + begin;
  Product(last - first, end - begin, dim, {rows.q + first * padded, padded, 1}, packed.keys_transposed + at, kKeyTile,
          rows.p + cell, kKeyTile, false);
  Product(last - first, end - begin, dim, {rows.dout + first * padded, padded, 1}, packed.values_transposed + at,
          kKeyTile, rows.ds + cell, kKeyTile, false);
  const bool capped = job.args.softcap > 0;
  for (int64_t r = first; r < last; ++r) {
    if (mask_keys) {
      const RowMask mask(*mask_keys, block.index[r], block.position[r], job.plan.window());
      (capped ? GradientRow<true, true> : GradientRow<true, false>)(job, rows, r, begin, end, &mask, tile * kKeyTile);
    } else {
      (capped ? GradientRow<false, true> : GradientRow<false, false>)(job, rows, r, begin, end, nullptr, 0);
    }
  }
}

struct BackwardSums {
  float* dk;  // [tiles · 64, Dp], not yet scaled
  float* dv;
};

void FullTile(const BackwardJob& job, const RowBlock& block, const BackwardRows& rows, const BackwardKeys& packed,
              int64_t tile, const BackwardSums& sums) {
  const int64_t padded = job.padded_dim, at = tile * job.tile_size();
  GradientCells(job, block, rows, packed, tile, 0, block.rows, 0, kKeyTile, nullptr);
  Product(kKeyTile, padded, block.rows, {rows.p, 1, kKeyTile}, rows.dout, padded, sums.dv + at, padded, true);
  Product(kKeyTile, padded, block.rows, {rows.ds, 1, kKeyTile}, rows.q, padded, sums.dk + at, padded, true);
  Product(block.rows, padded, kKeyTile, {rows.ds, kKeyTile, 1}, packed.keys + at, padded, rows.dq, padded, true);
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

void PartialTile(const BackwardJob& job, const RowBlock& block, const BackwardRows& rows, const BackwardKeys& packed,
                 const KeyArrays& keys, int64_t tile, const BackwardSums& sums) {
  const int64_t padded = job.padded_dim, at = tile * job.tile_size();
  const TileCells cells(job.plan, block, keys.runs + tile * kRunsPerTile);
  for (int g = 0; g < block.groups(); ++g) {
    const int64_t first = g * kBlockRows, last = std::min<int64_t>(block.rows, first + kBlockRows);
    const int64_t begin = std::min(cells.begin[g], cells.end[g]) * kKeyRun, end = cells.end[g] * kKeyRun;
    GradientCells(job, block, rows, packed, tile, first, last, begin, end, cells.masked[g] ? &keys : nullptr);
    if (begin == end || !packed.finite[tile]) continue;
    Product(last - first, padded, end - begin, {rows.ds + first * kKeyTile + begin, kKeyTile, 1},
            packed.keys + at + begin * padded, padded, rows.dq + first * padded, padded, true);
  }
  for (int run = 0; run < kRunsPerTile; ++run) {
    const int64_t first = cells.row_begin[run], count = cells.row_end[run] - first, key = run * kKeyRun;
    if (count <= 0) continue;
    const int64_t cell = first * kKeyTile + key;
    if (rows.dout_finite) {
      Product(kKeyRun, padded, count, {rows.p + cell, 1, kKeyTile}, rows.dout + first * padded, padded,
              sums.dv + at + key * padded, padded, true);
    }
    if (rows.q_finite) {
      Product(kKeyRun, padded, count, {rows.ds + cell, 1, kKeyTile}, rows.q + first * padded, padded,
              sums.dk + at + key * padded, padded, true);
    }
  }
  // A hidden cell's zero must not meet a NaN or an infinity.
  if (packed.finite[tile] && rows.dout_finite && rows.q_finite) return;
  ForVisible(job, block, keys, tile, [&](int64_t r, int64_t j) {
    const float p = rows.p[r * kKeyTile + j], ds = rows.ds[r * kKeyTile + j];
    if (!packed.finite[tile]) AddScaled(padded, ds, packed.keys + at + j * padded, rows.dq + r * padded);
    if (!rows.dout_finite) AddScaled(padded, p, rows.dout + r * padded, sums.dv + at + j * padded);
    if (!rows.q_finite) AddScaled(padded, ds, rows.q + r * padded, sums.dk + at + j * padded);
  });
}

void BackwardBlock(const BackwardJob& job, const AttentionUnit& unit, int64_t block_index, const BackwardKeys& packed,
                   const BackwardSums& sums, float* scratch) {
  const int64_t first = block_index * job.block_rows;
  const RowBlock block(job.plan, unit, first, std::min<int64_t>(job.block_rows, unit.rows - first), kBlockRows);
  const KeyArrays keys = job.plan.keys(unit.b);
  BackwardRows rows(job, scratch);
  StartRows(job, unit, block, rows);
  for (int64_t tile = 0; tile < job.plan.tiles(); ++tile) {
    const Visibility seen = job.plan.Classify(block.bounds, keys.tiles[tile]);
    if (seen == Visibility::kFull) FullTile(job, block, rows, packed, tile, sums);
    if (seen == Visibility::kPartial) PartialTile(job, block, rows, packed, keys, tile, sums);
  }
  for (int64_t r = 0; r < block.rows; ++r) {
    const int64_t row = block.first + r;
    StoreScaled(job.args.shape.dim, job.args.scale, rows.dq + r * job.padded_dim,
                job.args.dq.at(unit.b, unit.token(row), unit.head(row)));
  }
}

// Adds up the parts of one tile's dk and dv, in order, and writes them out. `sums` holds `parts` times sums_size().
void FinishTile(const BackwardJob& job, const AttentionUnit& unit, int64_t tile, float* sums) {
  const AttentionBackwardArgs& a = job.args;
  const int64_t half = job.sums_size() / 2, at = tile * job.tile_size();
  for (int64_t part = 1; part < job.parts; ++part) {
    for (int64_t offset : {at, half + at}) {
      AddScaled(job.tile_size(), 1.0f, sums + part * job.sums_size() + offset, sums + offset);
    }
  }
  // dSᵀ was multiplied by the packed q, which carries this factor's inverse beside scale.
  const float factor = a.softcap > 0 ? a.softcap : kLn2;
  const int64_t first = tile * kKeyTile, count = std::min<int64_t>(kKeyTile, a.shape.keys - first);
  for (int64_t j = 0; j < count; ++j) {
    const float* dk = sums + at + j * job.padded_dim;
    PrefetchRowForWriting(a.dk.at(unit.b, first + j + kPrefetchRows, unit.kv_head), a.shape.dim);
    PrefetchRowForWriting(a.dv.at(unit.b, first + j + kPrefetchRows, unit.kv_head), a.shape.dim);
    StoreScaled(a.shape.dim, factor, dk, a.dk.at(unit.b, first + j, unit.kv_head));
    StoreScaled(a.shape.dim, 1.0f, dk + half, a.dv.at(unit.b, first + j, unit.kv_head));
  }
}

// Blocks part, part + parts, ... of a unit: under a causal mask each part then has its share of long ones.
void BackwardPart(const BackwardJob& job, const AttentionUnit& unit, int64_t part, float* sums, float* memory) {
  const BackwardKeys packed(job, memory);
  const QueryBounds queries = job.plan.all_queries(unit.b);
  const KeyArrays keys = job.plan.keys(unit.b);
  for (int64_t tile = 0; tile < job.plan.tiles(); ++tile) {
    if (job.plan.Classify(queries, keys.tiles[tile]) != Visibility::kEmpty) PackBackwardTile(job, unit, tile, packed);
  }
  std::fill(sums, sums + job.sums_size(), 0.0f);
  float* scratch = memory + BackwardKeys::Floats(job);
  for (int64_t block = part; block < job.blocks; block += job.parts) {
    BackwardBlock(job, unit, block, packed, {sums, sums + job.sums_size() / 2}, scratch);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(BackwardPart);
HWY_EXPORT(FinishTile);

namespace {

float* Scratch(ScratchSlot slot, int64_t floats) {
  return static_cast<float*>(ThreadScratch(slot, static_cast<size_t>(floats) * sizeof(float)));
}

}  // namespace

void AttentionBackwardCpu(const AttentionBackwardArgs& args) {
  const MaskPlan plan(args.shape, args.mask);
  const BackwardJob job(args, plan);
  ThreadPool& pool = ThreadPool::Get();
  const int64_t task_floats = BackwardKeys::Floats(job) + BackwardRows::Floats(job);
  if (job.parts == 1) {
    pool.Run(job.units, [&](int64_t index) {
      const AttentionUnit unit(args.shape, index);
      float* sums = Scratch(ScratchSlot::kPackB, job.sums_size());
      HWY_DYNAMIC_DISPATCH(BackwardPart)(job, unit, 0, sums, Scratch(ScratchSlot::kKernel, task_floats));
      for (int64_t tile = 0; tile < plan.tiles(); ++tile) HWY_DYNAMIC_DISPATCH(FinishTile)(job, unit, tile, sums);
    });
    return;
  }
  float* all_sums = Scratch(ScratchSlot::kPackA, job.units * job.parts * job.sums_size());
  pool.Run(job.units * job.parts, [&](int64_t index) {
    HWY_DYNAMIC_DISPATCH(BackwardPart)(job, AttentionUnit(args.shape, index / job.parts), index % job.parts,
                                       all_sums + index * job.sums_size(), Scratch(ScratchSlot::kKernel, task_floats));
  });
  pool.Run(job.units * plan.tiles(), [&](int64_t index) {
    const int64_t unit = index / plan.tiles();
    HWY_DYNAMIC_DISPATCH(FinishTile)(job, AttentionUnit(args.shape, unit), index % plan.tiles(),
                                     all_sums + unit * job.parts * job.sums_size());
  });
}

}  // namespace cai
#endif
