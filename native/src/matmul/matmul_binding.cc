#include "matmul/matmul.h"

#include <string>

#include "core/napi_args.h"

namespace cai {
namespace {

// Of a [.., rows, columns] view: its row stride, and its batch stride, 0 where it has no batch dimension.
int64_t RowStride(const TensorView& view) { return view.strides[view.rank - 2]; }
int64_t BatchStride(const TensorView& view) { return view.rank == 3 ? view.strides[0] : 0; }

MatrixIn In(const TensorView& view) {
  return view ? MatrixIn{view.f32(), RowStride(view), BatchStride(view)} : MatrixIn();
}

MatrixOut Out(const TensorView& view) {
  return view ? MatrixOut{view.f32(), RowStride(view), BatchStride(view)} : MatrixOut();
}

// The shape of a product: [M, N], or [B, M, N] where `rank` is 3.
void ExpectProduct(const Args& args, const TensorView& view, const char* name, int rank, const MatmulArgs& sizes) {
  if (rank == 3) {
    args.ExpectShape(view, name, {sizes.batch, sizes.m, sizes.n});
  } else {
    args.ExpectShape(view, name, {sizes.m, sizes.n});
  }
  args.ExpectLayout(view, name, Layout::kDenseRows);
}

void ReadBias(const Args& args, const TensorView& bias, int rank, MatmulArgs* result) {
  if (!bias) return;
  args.ExpectRank(bias, "bias", 1, rank - 1);
  if (bias.rank == 2) {
    args.ExpectShape(bias, "bias", {result->batch, result->n});
  } else {
    args.ExpectShape(bias, "bias", {result->n});
  }
  args.ExpectLayout(bias, "bias", Layout::kDenseRows);
  result->bias = bias.f32();
  result->bias_batch_stride = bias.rank == 2 ? bias.strides[0] : 0;
}

void ReadOperands(const Args& args, const TensorView& a, const TensorView& b, MatmulArgs* result) {
  args.ExpectRank(a, "a", 2, 3);
  args.ExpectRank(b, "b", 2, a.rank);
  args.ExpectLayout(a, "a", Layout::kDenseRows);
  args.ExpectLayout(b, "b", Layout::kDenseRows);
  const int a_first = a.rank - 2, b_first = b.rank - 2;
  result->batch = a.rank == 3 ? a.shape[0] : 1;
  result->m = a.shape[a_first + (result->transpose_a ? 1 : 0)];
  result->k = a.shape[a_first + (result->transpose_a ? 0 : 1)];
  result->n = b.shape[b_first + (result->transpose_b ? 0 : 1)];
  const int64_t b_rows = result->transpose_b ? result->n : result->k;
  const int64_t b_columns = result->transpose_b ? result->k : result->n;
  if (b.rank == 3) {
    args.ExpectShape(b, "b", {result->batch, b_rows, b_columns});
  } else {
    args.ExpectShape(b, "b", {b_rows, b_columns});
  }
  result->a = In(a);
  result->b = In(b);
}

}  // namespace

Napi::Value Matmul(const Args& args) {
  const Args::Options options = args.options(3);
  MatmulArgs product;
  product.transpose_a = options.Flag("transposeA");
  product.transpose_b = options.Flag("transposeB");
  const TensorView a = args.Tensor(0, "a", DType::kFloat32);
  ReadOperands(args, a, args.Tensor(1, "b", DType::kFloat32), &product);

  const TensorView out = args.Tensor(2, "out", DType::kFloat32);
  ExpectProduct(args, out, "out", a.rank, product);
  product.out = Out(out);
  if (out.size() > 0 && (product.out.data == product.a.data || product.out.data == product.b.data)) {
    args.Fail(ErrorCode::kArgument, "out must not be a or b: the product is written while they are read");
  }

  product.alpha = static_cast<float>(options.Number("alpha", 1.0));
  product.accumulate = options.Flag("accumulate");
  product.activation = static_cast<Activation>(options.Choice("activation", {"none", "relu2", "gelu"}, 0));
  ReadBias(args, options.OptionalTensor("bias", DType::kFloat32), a.rank, &product);
  const TensorView pre_activation = options.OptionalTensor("preActivation", DType::kFloat32);
  if (pre_activation) ExpectProduct(args, pre_activation, "preActivation", a.rank, product);
  product.pre_activation = Out(pre_activation);
  const TensorView addend = options.OptionalTensor("addend", DType::kFloat32);
  if (addend) ExpectProduct(args, addend, "addend", a.rank, product);
  product.addend = In(addend);
  if (addend && product.accumulate) {
    args.Fail(ErrorCode::kArgument, "addend and accumulate exclude each other: accumulate adds out itself");
  }
  MatmulCpu(product);
  return args.env().Undefined();
}

Napi::Value BiasBackward(const Args& args) {
  const TensorView dy = args.Tensor(0, "dy", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const TensorView dbias = args.Tensor(1, "dbias", DType::kFloat32, {dy.shape[1]});
  BiasBackwardCpu({dy.f32(), dbias.f32(), dy.shape[0], dy.shape[1], dy.strides[0]});
  return args.env().Undefined();
}

}  // namespace cai
