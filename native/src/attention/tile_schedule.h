// When a task that walks row blocks in order first and last meets each key tile, and where the tile's packed copy lives
// meanwhile. Under a window or packed documents few tiles are alive at a time, so their copies stay in cache.
#pragma once

#include <cstdint>
#include <vector>

#include "attention/mask_plan.h"
#include "attention/row_block.h"

namespace cai {

struct TileSchedule {
  std::vector<int32_t> first, last;  // block numbers; first is -1 for a tile that no block sees
  std::vector<int32_t> slot;
  int64_t slots = 1;

  TileSchedule() = default;
  // Of blocks part, part + parts, ... below `blocks`.
  TileSchedule(const MaskPlan& plan, const AttentionUnit& unit, int64_t block_rows, int64_t blocks, int64_t part,
               int64_t parts);
};

// The schedules of all parts of all batch entries: heads of an entry share theirs.
class TileSchedules {
 public:
  TileSchedules(const MaskPlan& plan, const AttentionShape& shape, int64_t block_rows, int64_t blocks, int64_t parts);
  const TileSchedule& at(const AttentionUnit& unit, int64_t part) const {
    return schedules_[static_cast<size_t>(unit.b * parts_ + part)];
  }

 private:
  int64_t parts_;
  std::vector<TileSchedule> schedules_;
};

}  // namespace cai
