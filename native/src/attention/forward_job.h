// What the tasks of one forward call share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "attention/attention.h"
#include "attention/mask_plan.h"
#include "attention/row_block.h"

namespace cai {

struct ForwardJob {
  const AttentionForwardArgs& args;
  const MaskPlan& plan;
  int64_t padded_dim, block_rows;

  ForwardJob(const AttentionForwardArgs& a, const MaskPlan& p)
      : args(a), plan(p), padded_dim(PaddedDim(a.shape.dim)), block_rows(66) {}
  int64_t rows() const { return args.shape.queries * (args.shape.heads / args.shape.kv_heads); }
  int64_t blocks() const { return (rows() + block_rows - 1) / block_rows; }
};

// Keys and values of one unit in the layout of the products: for each tile keys transposed [D, 64] and values [64, Dp].
struct PackedKeys {
  float* keys;
  float* values;
  uint8_t* finite;  // [tiles]: whether all values of the tile are

  static size_t Bytes(const ForwardJob& job) {
    const size_t tiles = static_cast<size_t>(job.plan.tiles());
    const size_t a_tile = static_cast<size_t>(2 * kKeyTile * job.padded_dim) * sizeof(float);
    return tiles * a_tile + (tiles + 63) / 64 * 64;
  }
  PackedKeys(const ForwardJob& job, void* memory, int64_t unit) {
    char* base = static_cast<char*>(memory) + static_cast<size_t>(unit) * Bytes(job);
    keys = reinterpret_cast<float*>(base);
    values = keys + job.plan.tiles() * kKeyTile * job.padded_dim;
    finite = reinterpret_cast<uint8_t*>(values + job.plan.tiles() * kKeyTile * job.padded_dim);
  }
  float* KeyTile(const ForwardJob& job, int64_t tile) const { return keys + tile * kKeyTile * job.padded_dim; }
  float* ValueTile(const ForwardJob& job, int64_t tile) const { return values + tile * kKeyTile * job.padded_dim; }
};

}  // namespace cai
