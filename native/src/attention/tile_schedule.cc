#include "attention/tile_schedule.h"

#include <algorithm>

#include "core/thread_pool.h"

namespace cai {
namespace {

QueryBounds BoundsOf(const MaskPlan& plan, const AttentionUnit& unit, int64_t first_row, int64_t last_row) {
  QueryBounds bounds;
  for (int64_t t = unit.token(first_row); t <= unit.token(last_row); ++t) {
    bounds.Add(plan.query_index(unit.b, t), plan.query_position(unit.b, t));
  }
  return bounds;
}

}  // namespace

TileSchedule::TileSchedule(const MaskPlan& plan, const AttentionUnit& unit, int64_t block_rows, int64_t blocks,
                           int64_t part, int64_t parts)
    : first(static_cast<size_t>(plan.tiles()), -1), last(first), slot(first.size(), 0) {
  const KeyArrays keys = plan.keys(unit.b);
  for (int64_t block = part; block < blocks; block += parts) {
    const int64_t last_row = std::min((block + 1) * block_rows, unit.rows) - 1;
    const QueryBounds queries = BoundsOf(plan, unit, block * block_rows, last_row);
    plan.ForVisibleTiles(queries, keys, 0, plan.tiles(), [&](int64_t tile, Visibility) {
      const size_t at = static_cast<size_t>(tile);
      if (first[at] < 0) first[at] = static_cast<int32_t>(block);
      last[at] = static_cast<int32_t>(block);
    });
  }
  // Slot 0 serves the tiles that only one block sees; the others keep theirs from first to last.
  std::vector<int32_t> order, ending, free;
  for (size_t tile = 0; tile < first.size(); ++tile) {
    if (first[tile] != last[tile]) order.push_back(static_cast<int32_t>(tile));
  }
  ending = order;
  const auto by = [](const std::vector<int32_t>& key) {
    return [&key](int32_t a, int32_t b) { return key[static_cast<size_t>(a)] < key[static_cast<size_t>(b)]; };
  };
  std::stable_sort(order.begin(), order.end(), by(first));
  std::stable_sort(ending.begin(), ending.end(), by(last));
  size_t ended = 0;
  for (int32_t tile : order) {
    while (last[static_cast<size_t>(ending[ended])] < first[static_cast<size_t>(tile)]) {
      free.push_back(slot[static_cast<size_t>(ending[ended++])]);
    }
    if (free.empty()) free.push_back(static_cast<int32_t>(slots++));
    slot[static_cast<size_t>(tile)] = free.back();
    free.pop_back();
  }
}

TileSchedules::TileSchedules(const MaskPlan& plan, const AttentionShape& shape, int64_t block_rows, int64_t blocks,
                             int64_t parts)
    : parts_(parts), schedules_(static_cast<size_t>(shape.kv_heads > 0 ? shape.batch * parts : 0)) {
  ThreadPool::Get().Run(static_cast<int64_t>(schedules_.size()), [&](int64_t index) {
    const AttentionUnit unit(shape, index / parts * shape.kv_heads);
    schedules_[static_cast<size_t>(index)] = TileSchedule(plan, unit, block_rows, blocks, index % parts, parts);
  });
}

}  // namespace cai
