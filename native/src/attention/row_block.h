// A run of query rows that meets the key tiles together. Rows are the query heads of one key-value head, tokens outermost
// (row = t · G + g with G heads a key-value head), so that a run covers few tokens and mask edges stay tight.
#pragma once

#include <algorithm>
#include <cstdint>

#include "attention/mask_plan.h"

namespace cai {

// A multiple of the rows of a product's register block, small enough that a block's rows stay in the first-level cache.
constexpr int64_t kBlockRowCount = 66;
constexpr int kMaxGroups = (kBlockRowCount + 3) / 4;

// D filled up to whole vectors of every target.
inline int64_t PaddedDim(int64_t dim) { return (dim + kKeyRun - 1) / kKeyRun * kKeyRun; }

// One batch entry and key-value head, of B · K.
struct AttentionUnit {
  int64_t b, kv_head, group, rows;  // group: G; rows: T · G

  AttentionUnit(const AttentionShape& s, int64_t unit)
      : b(unit / s.kv_heads), kv_head(unit % s.kv_heads), group(s.heads / s.kv_heads), rows(s.queries * group) {}
  int64_t token(int64_t row) const { return row / group; }
  int64_t head(int64_t row) const { return kv_head * group + row % group; }
};

struct RowBlock {
  int64_t first, rows;
  int group_rows;  // rows of one step of the products
  QueryBounds bounds;
  QueryBounds group_bounds[kMaxGroups];
  int32_t index[kBlockRowCount];  // cache index and position of each row
  int32_t position[kBlockRowCount];

  RowBlock(const MaskPlan& plan, const AttentionUnit& unit, int64_t first_row, int64_t row_count, int rows_a_group)
      : first(first_row), rows(row_count), group_rows(rows_a_group) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t t = unit.token(first + r);
      index[r] = plan.query_index(unit.b, t);
      position[r] = plan.query_position(unit.b, t);
      bounds.Add(index[r], position[r]);
      group_bounds[r / group_rows].Add(index[r], position[r]);
    }
  }
  int groups() const { return static_cast<int>((rows + group_rows - 1) / group_rows); }
};

// What of a tile has to be computed: for each group of rows the keys from `begin` to `end`, counted in
// runs, and whether some cell of them is hidden; for each run the rows from `row_begin` to `row_end` that include it.
struct TileCells {
  uint8_t begin[kMaxGroups], end[kMaxGroups];
  bool masked[kMaxGroups];
  int row_begin[kRunsPerTile], row_end[kRunsPerTile];

  TileCells(const MaskPlan& plan, const RowBlock& block, Visibility tile, const KeyBounds* runs) {
    if (tile == Visibility::kFull) {
      std::fill(begin, begin + block.groups(), static_cast<uint8_t>(0));
      std::fill(end, end + block.groups(), static_cast<uint8_t>(kRunsPerTile));
      std::fill(masked, masked + block.groups(), false);
      std::fill(row_begin, row_begin + kRunsPerTile, 0);
      std::fill(row_end, row_end + kRunsPerTile, static_cast<int>(block.rows));
      return;
    }
    std::fill(row_begin, row_begin + kRunsPerTile, static_cast<int>(block.rows));
    std::fill(row_end, row_end + kRunsPerTile, 0);
    for (int g = 0; g < block.groups(); ++g) {
      begin[g] = kRunsPerTile;
      end[g] = 0;
      masked[g] = false;
      for (int run = 0; run < kRunsPerTile; ++run) {
        const Visibility seen = plan.Classify(block.group_bounds[g], runs[run]);
        // A hidden run between two visible ones is computed and masked.
        masked[g] = masked[g] || seen != Visibility::kFull;
        if (seen == Visibility::kEmpty) continue;
        begin[g] = static_cast<uint8_t>(std::min<int>(begin[g], run));
        end[g] = static_cast<uint8_t>(run + 1);
      }
      const int first_row = g * block.group_rows;
      const int last_row = static_cast<int>(std::min<int64_t>(block.rows, first_row + block.group_rows));
      for (int run = begin[g]; run < end[g]; ++run) {
        row_begin[run] = std::min(row_begin[run], first_row);
        row_end[run] = std::max(row_end[run], last_row);
      }
    }
  }
};

}  // namespace cai
