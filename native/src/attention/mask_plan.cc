#include "attention/mask_plan.h"

#include <string>

#include "core/error.h"

namespace cai {
namespace {

std::string Entry(const char* name, int64_t b, int64_t j) {
  return std::string(name) + "[" + std::to_string(b) + ", " + std::to_string(j) + "]";
}

void CheckIntervals(const int32_t* start, const int32_t* limit, int64_t batch, int64_t keys) {
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t j = 0; j < keys; ++j) {
      const int32_t s = start[b * keys + j], l = limit[b * keys + j];
      if (s >= 0 && s <= l) continue;
      throw OpError(ErrorCode::kArgument, Entry("start", b, j) + " must be from 0 to " + Entry("limit", b, j) + " = " +
                                              std::to_string(l) + ", got " + std::to_string(s));
    }
  }
}

void CheckNotNegative(const char* name, const int32_t* values, int64_t batch, int64_t tokens) {
  if (!values) return;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t j = 0; j < tokens; ++j) {
      if (values[b * tokens + j] >= 0) continue;
      throw OpError(ErrorCode::kArgument,
                    Entry(name, b, j) + " must not be negative, got " + std::to_string(values[b * tokens + j]));
    }
  }
}

KeyBounds Merge(const KeyBounds& a, const KeyBounds& b) {
  return {std::min(a.min_start, b.min_start),       std::max(a.max_start, b.max_start),
          std::min(a.min_limit, b.min_limit),       std::max(a.max_limit, b.max_limit),
          std::min(a.min_position, b.min_position), std::max(a.max_position, b.max_position)};
}

KeyBounds BoundsOf(int32_t start, int32_t limit, int32_t position) {
  KeyBounds bounds;
  if (start >= limit) {
    bounds.max_start = INT32_MAX;
    return bounds;
  }
  return {start, start, limit, limit, position, position};
}

}  // namespace

void CheckAttentionMask(const AttentionShape& shape, const AttentionMask& mask) {
  if (mask.start) CheckIntervals(mask.start, mask.limit, shape.batch, shape.keys);
  CheckNotNegative("queryIndices", mask.query_indices, shape.batch, shape.queries);
  CheckNotNegative("queryPositions", mask.query_positions, shape.batch, shape.queries);
  CheckNotNegative("keyPositions", mask.key_positions, shape.batch, shape.keys);
}

MaskPlan::MaskPlan(const AttentionShape& shape, const AttentionMask& mask)
    : queries_(shape.queries),
      offset_(mask.query_offset),
      tiles_((shape.keys + kKeyTile - 1) / kKeyTile),
      window_(mask.window),
      query_indices_(mask.query_indices),
      query_positions_(mask.window > 0 ? mask.query_positions : nullptr) {
  // Without arrays every batch entry is alike.
  const bool alike = !mask.start && !(mask.window > 0 && mask.key_positions);
  const int64_t entries = alike ? std::min<int64_t>(shape.batch, 1) : shape.batch;
  const int64_t padded = tiles_ * kKeyTile;
  key_stride_ = alike ? 0 : padded;
  tile_stride_ = alike ? 0 : tiles_;
  const int64_t groups = (tiles_ + kTilesPerGroup - 1) / kTilesPerGroup;
  group_stride_ = alike ? 0 : groups;
  const size_t total = static_cast<size_t>(entries * padded);
  start_.assign(total, INT32_MAX);
  limit_.assign(total, 0);
  position_.assign(total, 0);
  runs_.resize(static_cast<size_t>(entries * tiles_ * kRunsPerTile));
  tile_bounds_.resize(static_cast<size_t>(entries * tiles_));
  group_bounds_.resize(static_cast<size_t>(entries * groups));

  for (int64_t b = 0; b < entries; ++b) {
    for (int64_t j = 0; j < shape.keys; ++j) {
      const size_t at = static_cast<size_t>(b * padded + j);
      start_[at] = mask.start ? mask.start[b * shape.keys + j] : static_cast<int32_t>(j);
      limit_[at] = mask.start ? mask.limit[b * shape.keys + j] : INT32_MAX;
      position_[at] = mask.key_positions ? mask.key_positions[b * shape.keys + j] : static_cast<int32_t>(j);
    }
  }
  for (size_t at = 0; at < total; ++at) {
    KeyBounds& run = runs_[at / kKeyRun];
    run = Merge(run, BoundsOf(start_[at], limit_[at], position_[at]));
  }
  for (size_t i = 0; i < runs_.size(); ++i) {
    tile_bounds_[i / kRunsPerTile] = Merge(tile_bounds_[i / kRunsPerTile], runs_[i]);
  }
  for (int64_t b = 0; b < entries; ++b) {
    for (int64_t tile = 0; tile < tiles_; ++tile) {
      KeyBounds& group = group_bounds_[static_cast<size_t>(b * groups + tile / kTilesPerGroup)];
      group = Merge(group, tile_bounds_[static_cast<size_t>(b * tiles_ + tile)]);
    }
  }
}

KeyArrays MaskPlan::keys(int64_t b) const {
  return {start_.data() + b * key_stride_, limit_.data() + b * key_stride_, position_.data() + b * key_stride_,
          runs_.data() + b * tile_stride_ * kRunsPerTile, tile_bounds_.data() + b * tile_stride_,
          group_bounds_.data() + b * group_stride_};
}

Visibility MaskPlan::Classify(const QueryBounds& q, const KeyBounds& k) const {
  if (k.min_start > q.last || k.max_limit <= q.first) return Visibility::kEmpty;
  const int64_t nearest = int64_t{q.min_position} - k.max_position;
  const int64_t farthest = int64_t{q.max_position} - k.min_position;
  if (window_ > 0 && (farthest < 0 || nearest >= window_)) return Visibility::kEmpty;
  const bool all = k.max_start <= q.first && k.min_limit > q.last && (window_ == 0 || (nearest >= 0 && farthest < window_));
  return all ? Visibility::kFull : Visibility::kPartial;
}

}  // namespace cai
