// Who sees whom, prepared once per call: padded key arrays for the kernels' masks, and bounds of runs of keys from which
// a run of queries learns that it sees all of them, none, or some. O(B · S) memory. Bounds of groups of tiles let a run of
// queries find its tiles without asking each of them: at 131,072 tokens there are 2,048.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "attention/attention.h"

namespace cai {

constexpr int kKeyTile = 64;  // keys in a tile
constexpr int kKeyRun = 16;   // keys in a run: the finest step at which part of a tile is skipped
constexpr int kRunsPerTile = kKeyTile / kKeyRun;
constexpr int kTilesPerGroup = 16;

enum class Visibility { kEmpty, kPartial, kFull };

// Keys that are visible to no query at all count only as an obstacle to kFull.
struct KeyBounds {
  int32_t min_start = INT32_MAX, max_start = 0;
  int32_t min_limit = INT32_MAX, max_limit = 0;
  int32_t min_position = INT32_MAX, max_position = 0;
};

struct QueryBounds {
  int64_t first = INT64_MAX, last = -1;  // cache indices
  int32_t min_position = INT32_MAX, max_position = 0;

  void Add(int64_t index, int32_t position) {
    first = std::min(first, index);
    last = std::max(last, index);
    min_position = std::min(min_position, position);
    max_position = std::max(max_position, position);
  }
};

// The arrays of one batch entry, padded to whole tiles with keys that nobody sees.
struct KeyArrays {
  const int32_t* start;
  const int32_t* limit;
  const int32_t* position;
  const KeyBounds* runs;
  const KeyBounds* tiles;
  const KeyBounds* groups;
};

class MaskPlan {
 public:
  MaskPlan(const AttentionShape& shape, const AttentionMask& mask);

  int64_t tiles() const { return tiles_; }
  int32_t window() const { return window_; }
  KeyArrays keys(int64_t b) const;

  int32_t query_index(int64_t b, int64_t t) const {
    return query_indices_ ? query_indices_[b * queries_ + t] : static_cast<int32_t>(offset_ + t);
  }
  int32_t query_position(int64_t b, int64_t t) const {
    return query_positions_ ? query_positions_[b * queries_ + t] : query_index(b, t);
  }

  Visibility Classify(const QueryBounds& queries, const KeyBounds& keys) const;

  // Calls visit(tile, visibility) for the tiles from `begin` to `end` of which some of these queries may see something.
  template <typename F>
  void ForVisibleTiles(const QueryBounds& queries, const KeyArrays& keys, int64_t begin, int64_t end, F&& visit) const {
    for (int64_t tile = begin; tile < end;) {
      const int64_t group = tile / kTilesPerGroup, stop = std::min(end, (group + 1) * kTilesPerGroup);
      const Visibility all = Classify(queries, keys.groups[group]);
      for (; all != Visibility::kEmpty && tile < stop; ++tile) {
        const Visibility seen = all == Visibility::kFull ? all : Classify(queries, keys.tiles[tile]);
        if (seen != Visibility::kEmpty) visit(tile, seen);
      }
      tile = stop;
    }
  }

  // Whether the query with this cache index and position sees key j.
  bool Sees(const KeyArrays& keys, int64_t index, int32_t position, int64_t j) const {
    if (index < keys.start[j] || index >= keys.limit[j]) return false;
    const int64_t distance = int64_t{position} - keys.position[j];
    return window_ == 0 || (distance >= 0 && distance < window_);
  }

 private:
  int64_t queries_, offset_, tiles_, key_stride_, tile_stride_, group_stride_;
  int32_t window_;
  const int32_t* query_indices_;
  const int32_t* query_positions_;
  std::vector<int32_t> start_, limit_, position_;
  std::vector<KeyBounds> runs_, tile_bounds_, group_bounds_;
};

}  // namespace cai
