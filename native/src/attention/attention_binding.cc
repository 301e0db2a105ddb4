#include <algorithm>

#include "attention/attention.h"
#include "core/napi_args.h"

namespace cai {
namespace {

template <typename T>
HeadsView<T> ViewOf(const TensorView& t) {
  return {t.f32(), t.strides[0], t.strides[1], t.strides[2]};
}

TensorView Heads(const Args& args, size_t index, const char* name, int64_t b, int64_t tokens, int64_t heads, int64_t d) {
  return args.Tensor(index, name, DType::kFloat32, {b, tokens, heads, d}, Layout::kDenseRows);
}

AttentionShape ShapeOf(const Args& args, const TensorView& q, const TensorView& k) {
  const AttentionShape shape = {q.shape[0], q.shape[1], k.shape[1], q.shape[2], k.shape[2], q.shape[3]};
  if (shape.dim == 0) args.Fail(ErrorCode::kShape, "q must have a head dimension of at least 1, got shape " + ShapeText(q.shape, 4));
  if (shape.kv_heads == 0 || shape.heads % shape.kv_heads != 0) {
    args.Fail(ErrorCode::kShape, "q must have a multiple of k's heads, got " + std::to_string(shape.heads) + " and " +
                                     std::to_string(shape.kv_heads));
  }
  if (shape.keys > INT32_MAX - 64) args.Fail(ErrorCode::kShape, "k must have fewer than 2^31 - 64 tokens");
  return shape;
}

const int32_t* Integers(const Args& args, const Args::Options& options, const char* name, int64_t b, int64_t tokens) {
  const TensorView view = options.OptionalTensor(name, DType::kInt32);
  if (!view) return nullptr;
  args.ExpectShape(view, name, {b, tokens});
  args.ExpectLayout(view, name, Layout::kContiguous);
  return view.i32();
}

// Call it after every other reader: a getter read later could still change the indices that are checked here.
AttentionMask MaskOf(const Args& args, const Args::Options& options, const AttentionShape& s) {
  AttentionMask mask = {};
  mask.start = Integers(args, options, "start", s.batch, s.keys);
  mask.limit = Integers(args, options, "limit", s.batch, s.keys);
  if ((mask.start == nullptr) != (mask.limit == nullptr)) {
    args.Fail(ErrorCode::kArgument, "start and limit must be given together, got only one of them");
  }
  mask.query_indices = Integers(args, options, "queryIndices", s.batch, s.queries);
  mask.query_positions = Integers(args, options, "queryPositions", s.batch, s.queries);
  mask.key_positions = Integers(args, options, "keyPositions", s.batch, s.keys);
  const int64_t offset = options.Integer("queryOffset", 0, INT32_MAX - s.queries, -1);
  if (mask.query_indices && offset >= 0) {
    args.Fail(ErrorCode::kArgument, "queryIndices take the place of queryOffset, got both: leave one out");
  }
  mask.query_offset = std::max<int64_t>(0, offset);
  mask.window = static_cast<int32_t>(options.Integer("window", 0, INT32_MAX, 0));
  CheckAttentionMask(s, mask);
  return mask;
}

float Scale(const Args::Options& options) { return static_cast<float>(options.Number("scale")); }

float Softcap(const Args& args, const Args::Options& options) {
  const double cap = options.Number("softcap", 0);
  if (cap < 0) args.Fail(ErrorCode::kArgument, "softcap must be 0 (none) or more, got " + std::to_string(cap));
  return static_cast<float>(cap);
}

const float* Floats(const Args& args, const Args::Options& options, const char* name, std::initializer_list<int64_t> shape) {
  const TensorView view = options.OptionalTensor(name, DType::kFloat32);
  if (!view) return nullptr;
  args.ExpectShape(view, name, shape);
  args.ExpectLayout(view, name, Layout::kContiguous);
  return view.f32();
}

}  // namespace

Napi::Value AttentionForward(const Args& args) {
  const TensorView q = Heads(args, 0, "q", kAny, kAny, kAny, kAny);
  const TensorView k = Heads(args, 1, "k", q.shape[0], kAny, kAny, q.shape[3]);
  const AttentionShape s = ShapeOf(args, q, k);
  const TensorView v = Heads(args, 2, "v", s.batch, s.keys, s.kv_heads, s.dim);
  const TensorView out = Heads(args, 3, "out", s.batch, s.queries, s.heads, s.dim);
  const TensorView lse = args.Tensor(4, "lse", DType::kFloat32, {s.batch, s.heads, s.queries});
  const Args::Options options = args.options(5);
  const float scale = Scale(options), softcap = Softcap(args, options);
  AttentionForwardCpu({s, MaskOf(args, options, s), ViewOf<const float>(q), ViewOf<const float>(k),
                       ViewOf<const float>(v), ViewOf<float>(out), lse.f32(), scale, softcap});
  return args.env().Undefined();
}

Napi::Value AttentionBackward(const Args& args) {
  const TensorView q = Heads(args, 1, "q", kAny, kAny, kAny, kAny);
  const TensorView k = Heads(args, 2, "k", q.shape[0], kAny, kAny, q.shape[3]);
  const AttentionShape s = ShapeOf(args, q, k);
  const TensorView dout = Heads(args, 0, "dout", s.batch, s.queries, s.heads, s.dim);
  const TensorView v = Heads(args, 3, "v", s.batch, s.keys, s.kv_heads, s.dim);
  const TensorView out = Heads(args, 4, "out", s.batch, s.queries, s.heads, s.dim);
  const TensorView lse = args.Tensor(5, "lse", DType::kFloat32, {s.batch, s.heads, s.queries});
  const TensorView dq = Heads(args, 6, "dq", s.batch, s.queries, s.heads, s.dim);
  const TensorView dk = Heads(args, 7, "dk", s.batch, s.keys, s.kv_heads, s.dim);
  const TensorView dv = Heads(args, 8, "dv", s.batch, s.keys, s.kv_heads, s.dim);
  const Args::Options options = args.options(9);
  const float scale = Scale(options), softcap = Softcap(args, options);
  const float* coefficients = Floats(args, options, "zregCoefficients", {s.heads});
  const float* targets = Floats(args, options, "zregTargets", {s.batch, s.queries});
  if (targets && !coefficients) {
    args.Fail(ErrorCode::kArgument, "zregTargets need zregCoefficients beside them, got none");
  }
  AttentionBackwardCpu({s, MaskOf(args, options, s), ViewOf<const float>(dout), ViewOf<const float>(q),
                        ViewOf<const float>(k), ViewOf<const float>(v), ViewOf<const float>(out), lse.f32(),
                        ViewOf<float>(dq), ViewOf<float>(dk), ViewOf<float>(dv), scale, softcap, coefficients,
                        targets});
  return args.env().Undefined();
}

}  // namespace cai
