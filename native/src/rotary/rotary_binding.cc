#include "core/index_check.h"
#include "core/napi_args.h"
#include "rotary/rotary.h"

namespace cai {
namespace {

RotaryStrides StridesOf(const TensorView& view) { return {view.strides[0], view.strides[1], view.strides[2]}; }

void CheckPositions(const Args& args, const TensorView& positions, int64_t sequence, int64_t limit) {
  const int64_t bad = FirstIndexOutside(positions.i32(), positions.size(), limit);
  if (bad < 0) return;
  args.Fail(ErrorCode::kArgument, "positions[" + std::to_string(bad / sequence) + ", " + std::to_string(bad % sequence) +
                                      "] must be from 0 to " + std::to_string(limit - 1) +
                                      ", the table's last row, got " + std::to_string(positions.i32()[bad]));
}

}  // namespace

Napi::Value Rotary(const Args& args) {
  const TensorView x = args.Tensor(0, "x", DType::kFloat32, {kAny, kAny, kAny, kAny}, Layout::kDenseRows);
  const int64_t batch = x.shape[0], sequence = x.shape[1], heads = x.shape[2], size = x.shape[3];
  if (size % 2 != 0) {
    args.Fail(ErrorCode::kShape, "x must have an even last size, got shape " + ShapeText(x.shape, x.rank));
  }
  const TensorView table = args.Tensor(1, "table", DType::kFloat32, {kAny, size / 2, 2});
  const TensorView positions = args.OptionalTensor(2, "positions", DType::kInt32);
  const TensorView out =
      args.Tensor(3, "out", DType::kFloat32, {batch, sequence, heads, size}, Layout::kDenseRows);
  const Args::Options options = args.options(4);
  const int64_t offset = options.Integer("offset", 0, INT32_MAX, 0);
  const bool inverse = options.Flag("inverse");
  // Indices are checked after every property was read, since a getter could still change them.
  if (positions) {
    args.ExpectShape(positions, "positions", {batch, sequence});
    args.ExpectLayout(positions, "positions", Layout::kContiguous);
    CheckPositions(args, positions, sequence, table.shape[0]);
  } else if (offset + sequence > table.shape[0]) {
    args.Fail(ErrorCode::kArgument, "offset " + std::to_string(offset) + " and " + std::to_string(sequence) +
                                        " positions need a table of " + std::to_string(offset + sequence) +
                                        " rows, got " + std::to_string(table.shape[0]));
  }
  RotaryCpu({x.f32(), table.f32(), positions.i32(), out.f32(), batch, sequence, heads, size, StridesOf(x),
             StridesOf(out), offset, inverse});
  return args.env().Undefined();
}

}  // namespace cai
