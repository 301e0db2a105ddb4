#include "matmul/matmul.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "matmul/matmul_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "matmul/epilogue-inl.h"
#include "matmul/amx_kernel.h"
#include "matmul/matmul_amx.h"
#include "matmul/pack-inl.h"
#include "matmul/skinny-inl.h"
#include "matmul/tile-inl.h"

#ifndef CAI_MATMUL_CPU_ONCE
#define CAI_MATMUL_CPU_ONCE
namespace cai {
namespace matmul {

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// Of one product, the part that one task computes.
struct Part {
  int64_t batch;
  Range rows, columns;
};

struct TileShape {
  int64_t rows, columns, depth;
};

// Splits n into the fewest blocks of at most `most`, all nearly the same and multiples of `unit`.
inline int64_t EvenBlock(int64_t n, int64_t most, int64_t unit) {
  const int64_t blocks = std::max<int64_t>((n + most - 1) / most, 1);
  return std::max<int64_t>(((n + blocks - 1) / blocks + unit - 1) / unit * unit, unit);
}

// Half of the second-level cache holds the packed block of b.
inline int64_t PackedFloats() {
  static const int64_t floats = [] {
    const long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return std::clamp<int64_t>(cache / 2, int64_t{128} << 10, int64_t{1} << 20) / static_cast<int64_t>(sizeof(float));
  }();
  return floats;
}

}  // namespace matmul
}  // namespace cai
#endif

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace matmul {
namespace HWY_NAMESPACE {

TileShape Shape() { return {kTileRows, kTileColumns, kMaxDepth}; }

MatrixOut At(const MatrixOut& matrix, int64_t batch, int64_t row, int64_t column) {
  if (matrix.data == nullptr) return matrix;
  return {matrix.data + batch * matrix.batch_stride + row * matrix.stride + column, matrix.stride, 0};
}

MatrixIn At(const MatrixIn& matrix, int64_t batch, int64_t row, int64_t column) {
  if (matrix.data == nullptr) return matrix;
  return {matrix.data + batch * matrix.batch_stride + row * matrix.stride + column, matrix.stride, 0};
}

// The epilogue of the pass over K that is the first, the last, both or neither.
Epilogue EpilogueOf(const MatmulArgs& args, const Part& part, const MatrixOut& out, bool first, bool last) {
  const bool linear = args.activation == Activation::kNone && args.pre_activation.data == nullptr;
  Epilogue e;
  if (!first || (args.accumulate && linear)) e.partial = out.data;
  if (!last) return e;
  if (args.bias) e.bias = args.bias + part.batch * args.bias_batch_stride + part.columns.begin;
  e.pre_activation = At(args.pre_activation, part.batch, part.rows.begin, part.columns.begin);
  e.activation = args.activation;
  e.addend = At(args.addend, part.batch, part.rows.begin, part.columns.begin);
  if (args.accumulate && !linear) e.addend = {out.data, out.stride, 0};
  return e;
}

struct Pass {
  const MatmulArgs& args;
  Epilogue epilogue;
  MatrixOut out;  // at the part's first row and column
  const float* b;
  int64_t depth;
};

// Rows row..row + rows of one panel of a against every panel of b, columns column..column + columns.
void RowOfTiles(const Pass& pass, PanelOrder order, const float* a, int64_t row, int64_t rows, int64_t column,
                int64_t columns) {
  alignas(64) float tile[kTileRows * kTileColumns];
  const TileFunction run = TileFor(order, rows);
  const Epilogue& e = pass.epilogue;
  const bool plain = e.plain();
  for (int64_t j = 0; j < columns; j += kTileColumns) {
    const float* b = pass.b + j * pass.depth;
    const int64_t width = std::min(kTileColumns, columns - j);
    if (plain && width == kTileColumns) {
      float* to = pass.out.data + row * pass.out.stride + column + j;
      run(pass.depth, a, b, pass.args.alpha, e.partial != nullptr, to, pass.out.stride);
    } else {
      run(pass.depth, a, b, 1.0f, false, tile, kTileColumns);
      Finish(e, pass.out, pass.args.alpha, tile, kTileColumns, row, rows, column + j, width);
    }
  }
}

void ComputePart(const MatmulArgs& args, const Part& part) {
  const int64_t rows = part.rows.size(), columns = part.columns.size();
  const MatrixOut out = At(args.out, part.batch, part.rows.begin, part.columns.begin);
  const int64_t depth_block = EvenBlock(args.k, kMaxDepth, 16);
  const int64_t column_block =
      EvenBlock(columns, std::max(kTileColumns, PackedFloats() / depth_block / kTileColumns * kTileColumns),
                kTileColumns);
  // Columns of a are short runs in memory: many panels together make them long enough for the prefetcher.
  const int64_t row_block = args.transpose_a ? 16 * kTileRows : kTileRows;
  float* packed_b = static_cast<float*>(
      ThreadScratch(ScratchSlot::kPackB, static_cast<size_t>(depth_block * column_block) * sizeof(float) + 4096));
  float* packed_a =
      static_cast<float*>(ThreadScratch(ScratchSlot::kPackA, static_cast<size_t>(row_block * kMaxDepth + 64) * sizeof(float)));
  for (int64_t column = 0; column < columns; column += column_block) {
    const int64_t width = std::min(column_block, columns - column);
    for (int64_t k = 0; k == 0 || k < args.k; k += depth_block) {
      const int64_t depth = std::min(depth_block, args.k - k);
      const Pass pass = {args, EpilogueOf(args, part, out, k == 0, k + depth >= args.k), out, packed_b, depth};
      const int64_t b_column = part.columns.begin + column;
      if (args.transpose_b) {
        PackTransposedB(At(args.b, part.batch, b_column, k).data, args.b.stride, depth, width, packed_b);
      } else {
        PackB(At(args.b, part.batch, k, b_column).data, args.b.stride, depth, width, packed_b);
      }
      for (int64_t row = 0; row < rows; row += row_block) {
        const int64_t height = std::min(row_block, rows - row);
        const int64_t a_row = part.rows.begin + row;
        if (args.transpose_a) {
          PackColumns(At(args.a, part.batch, k, a_row).data, args.a.stride, height, depth, packed_a);
        } else {
          PackRows(At(args.a, part.batch, a_row, k).data, args.a.stride, height, depth, packed_a);
        }
        for (int64_t i = 0; i < height; i += kTileRows) {
          RowOfTiles(pass, args.transpose_a ? PanelOrder::kDepth : PanelOrder::kRows,
                     args.transpose_a ? packed_a + i * kMaxDepth : packed_a, row + i, std::min<int64_t>(kTileRows, height - i),
                     column, width);
        }
      }
    }
  }
}

// Rows of out from its products' partial sums, `parts` matrices [M, N] one after the other.
void FinishPartialSums(const MatmulArgs& args, float* sums, int64_t parts, Range rows) {
  const D d;
  const int64_t size = args.m * args.n, end = rows.end * args.n;
  for (int64_t i = rows.begin * args.n; i < end; i += kLanes) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(std::min(kLanes, end - i)));
    V sum = hn::MaskedLoad(mask, d, sums + i);
    for (int64_t part = 1; part < parts; ++part) sum = hn::Add(sum, hn::MaskedLoad(mask, d, sums + part * size + i));
    hn::BlendedStore(sum, mask, d, sums + i);
  }
  const Part whole = {0, {0, args.m}, {0, args.n}};
  const MatrixOut out = At(args.out, 0, 0, 0);
  Finish(EpilogueOf(args, whole, out, true, true), out, args.alpha, sums + rows.begin * args.n, args.n, rows.begin,
         rows.size(), 0, args.n);
}

// As FinishBlock in matmul_amx.h.
void FinishBlockHere(const MatmulArgs& args, const Block& block, const float* sums) {
  const Part part = {block.batch, {block.row, block.row + block.rows}, {block.column, block.column + block.columns}};
  const MatrixOut out = At(args.out, block.batch, block.row, block.column);
  Finish(EpilogueOf(args, part, out, block.first, block.last), out, 1.0f, sums, kAmxWidth, 0, block.rows, 0,
         block.columns);
}

// All rows, and columns part.columns, of a product with few rows.
void ComputeSkinnyPart(const MatmulArgs& args, const Part& part) {
  constexpr int64_t kChunk = 512;
  const MatrixOut out = At(args.out, part.batch, 0, part.columns.begin);
  const Epilogue e = EpilogueOf(args, part, out, true, true);
  MatrixIn a = At(args.a, part.batch, 0, 0);
  if (args.transpose_a) {
    float* rows = static_cast<float*>(
        ThreadScratch(ScratchSlot::kPackB, static_cast<size_t>(args.m * args.k + 1) * sizeof(float)));
    for (int64_t k = 0; k < args.k; ++k) {
      for (int64_t i = 0; i < args.m; ++i) rows[i * args.k + k] = a.data[k * a.stride + i];
    }
    a = {rows, args.k, 0};
  }
  float* sums = static_cast<float*>(ThreadScratch(ScratchSlot::kPackA, static_cast<size_t>(args.m * kChunk) * sizeof(float)));
  for (int64_t column = 0; column < part.columns.size(); column += kChunk) {
    const int64_t width = std::min(kChunk, part.columns.size() - column);
    const int64_t b_column = part.columns.begin + column;
    if (args.transpose_b) {
      const MatrixIn b = At(args.b, part.batch, b_column, 0);
      SkinnyTransposed(a.data, a.stride, args.m, b.data, b.stride, args.k, width, sums, kChunk);
    } else {
      const MatrixIn b = At(args.b, part.batch, 0, b_column);
      Skinny(a.data, a.stride, args.m, b.data, b.stride, args.k, width, sums, kChunk);
    }
    Finish(e, out, args.alpha, sums, kChunk, 0, args.m, column, width);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace matmul
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {
namespace matmul {

HWY_EXPORT(Shape);
HWY_EXPORT(ComputePart);
HWY_EXPORT(FinishBlockHere);
HWY_EXPORT(ComputeSkinnyPart);
HWY_EXPORT(FinishPartialSums);

namespace {

// Below this many multiply-adds a thread, handing work over costs more than it saves.
constexpr double kLeastWork = 500e3;

// Up to here a product is bound by reading b, and below so many elements of it a thread, handing over does not pay.
constexpr int64_t kSkinnyRows = 16;
constexpr double kLeastRead = 64e3;

// How one product is cut: across out, or, with `depths` above 1, along K.
struct Grid {
  int64_t rows = 1, columns = 1, depths = 1;
};

Range Slice(int64_t n, int64_t unit, int64_t parts, int64_t index) {
  const int64_t units = (n + unit - 1) / unit;
  return {std::min(n, units * index / parts * unit), std::min(n, units * (index + 1) / parts * unit)};
}

double Largest(int64_t n, int64_t unit, int64_t parts) {
  return static_cast<double>(((n + unit - 1) / unit + parts - 1) / parts * unit);
}

// Cuts [M, N] for `parts` threads so that the slowest one's time is least. Costs are in multiply-adds: measured on 2 cores,
// an element that is packed costs about 18, one of a partial sum 45, and handing work over a second time 200,000.
Grid ChooseGrid(const MatmulArgs& args, int64_t parts, const TileShape& tile) {
  constexpr double kPack = 18, kPartialSum = 45, kHandOver = 200e3;
  constexpr int64_t kMaxPartialSums = 512 << 10;
  const double depth = static_cast<double>(args.k);
  const auto cost = [&](double height, double width, double length) {
    return length * (height * width + kPack * (height + width));
  };
  Grid best;
  double least = -1;
  for (int64_t rows = 1; rows <= parts; ++rows) {
    const int64_t columns = parts / rows;
    const double time = cost(Largest(args.m, tile.rows, rows), Largest(args.n, tile.columns, columns), depth);
    if (least < 0 || time < least) {
      least = time;
      best = {rows, columns, 1};
    }
  }
  if (parts == 1 || args.batch > 1 || args.m * args.n > kMaxPartialSums / parts) return best;
  const double height = Largest(args.m, tile.rows, 1), width = Largest(args.n, tile.columns, 1);
  const double split = cost(height, width, depth / static_cast<double>(parts)) + kPartialSum * height * width + kHandOver;
  return split < least ? Grid{1, 1, parts} : best;
}

TileShape TileOfTarget() { return HWY_DYNAMIC_DISPATCH(Shape)(); }

void ComputePartOnTarget(const MatmulArgs& args, const Part& part) {
  if (part.rows.size() == 0 || part.columns.size() == 0) return;
  if (args.m <= kSkinnyRows) {
    HWY_DYNAMIC_DISPATCH(ComputeSkinnyPart)(args, part);
  } else {
    HWY_DYNAMIC_DISPATCH(ComputePart)(args, part);
  }
}

void FinishPartialSumsOnTarget(const MatmulArgs& args, float* sums, int64_t parts, Range rows) {
  HWY_DYNAMIC_DISPATCH(FinishPartialSums)(args, sums, parts, rows);
}

}  // namespace

void FinishBlock(const MatmulArgs& args, const Block& block, const float* sums) {
  HWY_DYNAMIC_DISPATCH(FinishBlockHere)(args, block, sums);
}

void MultiplyBlock(const MatmulArgs& args, const Block& block, float* sums) {
  MatmulArgs product;
  product.m = block.rows;
  product.n = block.columns;
  product.k = block.depth;
  product.a = args.a;
  product.b = args.b;
  product.a.data += block.batch * args.a.batch_stride + (args.transpose_a ? block.k * args.a.stride + block.row
                                                                          : block.row * args.a.stride + block.k);
  product.b.data += block.batch * args.b.batch_stride + (args.transpose_b ? block.column * args.b.stride + block.k
                                                                          : block.k * args.b.stride + block.column);
  product.transpose_a = args.transpose_a;
  product.transpose_b = args.transpose_b;
  product.alpha = args.alpha;
  product.out = {sums, kAmxWidth, 0};
  ComputePartOnTarget(product, {0, {0, block.rows}, {0, block.columns}});
}

}  // namespace matmul

namespace {

// Few rows and columns, but deep: every thread multiplies its own stretch of K, then the sums are added in order.
void MultiplyByDepth(const MatmulArgs& args, int64_t parts) {
  using namespace matmul;
  const int64_t size = args.m * args.n;
  float* sums =
      static_cast<float*>(ThreadScratch(ScratchSlot::kPartialSums, static_cast<size_t>(parts * size) * sizeof(float)));
  ThreadPool& pool = ThreadPool::Get();
  pool.Run(parts, [&](int64_t index) {
    const Range depth = Slice(args.k, 1, parts, index);
    MatmulArgs part;
    part.m = args.m;
    part.n = args.n;
    part.k = depth.size();
    part.a = args.a;
    part.b = args.b;
    part.transpose_a = args.transpose_a;
    part.transpose_b = args.transpose_b;
    part.a.data += depth.begin * (args.transpose_a ? args.a.stride : 1);
    part.b.data += depth.begin * (args.transpose_b ? 1 : args.b.stride);
    part.out = {sums + index * size, args.n, 0};
    ComputePartOnTarget(part, {0, {0, args.m}, {0, args.n}});
  });
  pool.Run(parts, [&](int64_t index) { FinishPartialSumsOnTarget(args, sums, parts, Slice(args.m, 1, parts, index)); });
}

void Multiply(const MatmulArgs& args) {
  using namespace matmul;
  if (MultiplyAmx(args)) return;
  const TileShape tile = TileOfTarget();
  ThreadPool& pool = ThreadPool::Get();
  const bool skinny = args.m <= kSkinnyRows;
  const double read = static_cast<double>(args.n) * static_cast<double>(args.k + 1);
  const double shares = skinny ? read / kLeastRead : read * static_cast<double>(args.m) / kLeastWork;
  const int64_t parts = static_cast<int64_t>(std::clamp<double>(shares, 1, pool.size()));
  const Grid grid = skinny ? Grid{1, parts, 1} : ChooseGrid(args, parts, tile);
  if (grid.depths > 1) return MultiplyByDepth(args, grid.depths);
  const int64_t each = grid.rows * grid.columns;
  pool.Run(args.batch * each, [&](int64_t task) {
    const int64_t index = task % each;
    ComputePartOnTarget(args, {task / each, Slice(args.m, tile.rows, grid.rows, index / grid.columns),
                               Slice(args.n, tile.columns, grid.columns, index % grid.columns)});
  });
}

// out is where partial sums wait between passes over K, so an activation that is to be added to it needs a copy of it.
void MultiplyOntoCopy(const MatmulArgs& args) {
  constexpr int64_t kCopyFloats = 256 << 10;
  const int64_t most = std::clamp<int64_t>(kCopyFloats / args.n, 1, args.m);
  float* copy = static_cast<float*>(ThreadScratch(ScratchSlot::kKernel, static_cast<size_t>(most * args.n) * sizeof(float)));
  for (int64_t batch = 0; batch < args.batch; ++batch) {
    for (int64_t row = 0; row < args.m; row += most) {
      MatmulArgs part = args;
      part.batch = 1;
      part.m = std::min(most, args.m - row);
      part.a.data += batch * args.a.batch_stride + row * (args.transpose_a ? 1 : args.a.stride);
      part.b.data += batch * args.b.batch_stride;
      part.out.data += batch * args.out.batch_stride + row * args.out.stride;
      if (args.bias) part.bias += batch * args.bias_batch_stride;
      if (args.pre_activation.data) {
        part.pre_activation.data += batch * args.pre_activation.batch_stride + row * args.pre_activation.stride;
      }
      for (int64_t i = 0; i < part.m; ++i) {
        std::memcpy(copy + i * args.n, part.out.data + i * args.out.stride, static_cast<size_t>(args.n) * sizeof(float));
      }
      part.accumulate = false;
      part.addend = {copy, args.n, 0};
      Multiply(part);
    }
  }
}

// Whether the matrices of a batch follow one another like the rows of a single one.
template <class Matrix>
bool Stacked(const Matrix& matrix, int64_t rows) {
  return matrix.data == nullptr || matrix.batch_stride == rows * matrix.stride;
}

}  // namespace

void MatmulCpu(const MatmulArgs& given) {
  if (given.batch == 0 || given.m == 0 || given.n == 0) return;
  MatmulArgs args = given;
  if (args.addend.data != nullptr && args.addend.data == args.out.data) {
    args.accumulate = true;
    args.addend = MatrixIn();
  }
  if (args.batch > 1 && !args.transpose_a && args.b.batch_stride == 0 && args.bias_batch_stride == 0 &&
      Stacked(args.a, args.m) && Stacked(args.out, args.m) && Stacked(args.pre_activation, args.m) &&
      Stacked(args.addend, args.m)) {
    args.m *= args.batch;
    args.batch = 1;
  }
  const bool linear = args.activation == Activation::kNone && args.pre_activation.data == nullptr;
  const bool one_pass = args.m <= matmul::kSkinnyRows || args.k <= matmul::TileOfTarget().depth;
  if (args.accumulate && !linear && !one_pass) {
    MultiplyOntoCopy(args);
  } else {
    Multiply(args);
  }
}

}  // namespace cai
#endif
