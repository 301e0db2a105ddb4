// What the tasks of one forward call share, and the memory of one of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "attention/attention.h"
#include "attention/mask_plan.h"
#include "attention/row_block.h"

namespace cai {

struct ForwardJob {
  const AttentionForwardArgs& args;
  const MaskPlan& plan;
  int64_t units, padded_dim, blocks;
  int64_t parts;   // tasks that share out the blocks of one unit
  int64_t chunks;  // where a unit has but one block: runs of keys with a state of their own, merged in the end

  ForwardJob(const AttentionForwardArgs& a, const MaskPlan& p, int threads)
      : args(a), plan(p), units(a.shape.batch * a.shape.kv_heads), padded_dim(PaddedDim(a.shape.dim)) {
    const int64_t rows = a.shape.queries * (a.shape.heads / a.shape.kv_heads);
    blocks = (rows + kBlockRowCount - 1) / kBlockRowCount;
    const int64_t wanted = units == 0 ? 1 : (4 * threads + units - 1) / units;
    parts = std::max<int64_t>(1, std::min(wanted, blocks));
    // By the number of keys alone, so that the result has the same bits for any number of threads.
    chunks = blocks == 1 ? std::max<int64_t>(1, (p.tiles() + kChunkTiles - 1) / kChunkTiles) : 1;
  }
  // Few enough rows to read keys and values where they are; a product needs whole vectors of them.
  bool direct(int64_t rows) const { return rows <= 2 && args.shape.dim == padded_dim; }

  static constexpr int64_t kChunkTiles = 16;
};

// The running result of a block's rows.
struct RowState {
  float* out;   // [rows, Dp], not yet divided by the sum
  float* sums;  // [rows, kKeyRun], to be added up
  float* max;   // [rows]
  float* seen;  // [rows], 1: sees a key, though only logits of -infinity so far

  static int64_t Floats(const ForwardJob& job) { return kBlockRowCount * (job.padded_dim + kKeyRun + 2); }
  RowState(const ForwardJob& job, float* memory)
      : out(memory),
        sums(out + kBlockRowCount * job.padded_dim),
        max(sums + kBlockRowCount * kKeyRun),
        seen(max + kBlockRowCount) {}
};

struct ForwardRows {
  RowState state;
  float* q;       // [rows, Dp], scaled
  float* logits;  // [rows, kKeyTile], then the probabilities

  static int64_t Floats(const ForwardJob& job) { return kBlockRowCount * (job.padded_dim + kKeyTile); }
  ForwardRows(const ForwardJob& job, RowState row_state, float* memory)
      : state(row_state), q(memory), logits(q + kBlockRowCount * job.padded_dim) {}
};

// One packed tile: keys transposed [D, 64] and values [64, Dp].
struct ForwardTile {
  float* keys;
  float* values;
  float* finite;  // 1 when all values are

  static int64_t Floats(const ForwardJob& job) { return 2 * kKeyTile * job.padded_dim + kKeyRun; }
  ForwardTile(const ForwardJob& job, float* slots, int64_t slot)
      : keys(slots + slot * Floats(job)),
        values(keys + kKeyTile * job.padded_dim),
        finite(values + kKeyTile * job.padded_dim) {}
};

}  // namespace cai
