// What the tasks of one backward call share, and the scratch memory of one of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "attention/attention.h"
#include "attention/mask_plan.h"
#include "attention/row_block.h"

namespace cai {

// Below this many units, a unit's row blocks are dealt out to several tasks with a dk and dv of their own. A constant
// rather than the number of threads, so that the result has the same bits for any of them.
constexpr int64_t kLeastTasks = 8;

struct BackwardJob {
  const AttentionBackwardArgs& args;
  const MaskPlan& plan;
  int64_t units, padded_dim, blocks, parts;

  BackwardJob(const AttentionBackwardArgs& a, const MaskPlan& p)
      : args(a), plan(p), units(a.shape.batch * a.shape.kv_heads), padded_dim(PaddedDim(a.shape.dim)) {
    const int64_t rows = a.shape.queries * (a.shape.heads / a.shape.kv_heads);
    blocks = (rows + kBlockRowCount - 1) / kBlockRowCount;
    const int64_t wanted = units == 0 ? 1 : (kLeastTasks + units - 1) / units;
    parts = std::max<int64_t>(1, std::min(wanted, blocks));
  }
  // The elements of a [64, Dp] tile.
  int64_t tile_size() const { return kKeyTile * padded_dim; }
  // The elements of a part's dk and dv together.
  int64_t part_size() const { return 2 * plan.tiles() * tile_size(); }
};

// One tile of keys and values in the layouts of the products, and its gradients so far.
struct BackwardTile {
  float* keys_transposed;    // [D, 64]
  float* values_transposed;  // [D, 64]
  float* keys;               // [64, Dp]
  float* dk;                 // [64, Dp], not yet scaled
  float* dv;                 // [64, Dp]
  float* finite;             // 1 when all keys are

  static int64_t Floats(const BackwardJob& job) { return 5 * job.tile_size() + kKeyRun; }
  BackwardTile(const BackwardJob& job, float* slots, int64_t slot) {
    const int64_t size = job.tile_size();
    keys_transposed = slots + slot * Floats(job);
    values_transposed = keys_transposed + size;
    keys = values_transposed + size;
    dk = keys + size;
    dv = dk + size;
    finite = dv + size;
  }
};

// One block of query rows.
struct BackwardRows {
  float* q;      // [rows, Dp], scaled
  float* dout;   // [rows, Dp]
  float* dq;     // [rows, Dp], not yet scaled
  float* p;      // [rows, 64], logits, then probabilities
  float* ds;     // [rows, 64], dout · vᵀ, then the gradient of the logits
  float* lse;    // [rows], in powers of two
  float* delta;  // [rows], rowsum(dout · out), less the gradient of the loss by lse
  bool q_finite = true, dout_finite = true;

  static int64_t Floats(const BackwardJob& job) { return kBlockRowCount * (3 * job.padded_dim + 2 * kKeyTile + 2); }
  BackwardRows(const BackwardJob& job, float* memory) {
    const int64_t wide = kBlockRowCount * job.padded_dim, tile = kBlockRowCount * kKeyTile;
    q = memory;
    dout = q + wide;
    dq = dout + wide;
    p = dq + wide;
    ds = p + tile;
    lse = ds + tile;
    delta = lse + kBlockRowCount;
  }
};

}  // namespace cai
