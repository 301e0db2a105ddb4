// Reading one tensor from JavaScript.
#include <algorithm>
#include <cmath>

#include "core/napi_args.h"

namespace cai {
namespace {

constexpr int64_t kMostSafeInteger = 9007199254740991;

// Bounds the loops of kernels over tensors that have no elements, such as [2^50, 0].
constexpr int64_t kMostEmptyProduct = int64_t{1} << 32;

// Where tensors without elements point: typed arrays of length 0 have a null pointer, which memcpy and friends forbid.
alignas(64) char nothing[64];

struct ArrayInfo {
  napi_typedarray_type type = static_cast<napi_typedarray_type>(-1);
  size_t length = 0;
  void* data = nullptr;
};

bool GetArrayInfo(napi_env env, napi_value array, ArrayInfo* info) {
  return napi_get_typedarray_info(env, array, &info->type, &info->length, &info->data, nullptr, nullptr) == napi_ok;
}

napi_typedarray_type ArrayTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return napi_float32_array;
    case DType::kBFloat16: return napi_uint16_array;
    case DType::kInt32: return napi_int32_array;
    case DType::kInt8: return napi_int8_array;
    case DType::kUInt8: return napi_uint8_array;
  }
  return napi_float32_array;
}

const char* ArrayName(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array: return "Int8Array";
    case napi_uint8_array: return "Uint8Array";
    case napi_uint8_clamped_array: return "Uint8ClampedArray";
    case napi_int16_array: return "Int16Array";
    case napi_uint16_array: return "Uint16Array";
    case napi_int32_array: return "Int32Array";
    case napi_uint32_array: return "Uint32Array";
    case napi_float32_array: return "Float32Array";
    case napi_float64_array: return "Float64Array";
    case napi_bigint64_array: return "BigInt64Array";
    case napi_biguint64_array: return "BigUint64Array";
    default: return "typed array of another kind";
  }
}

// A non-negative safe integer, or -1.
int64_t SizeOf(const Napi::Value& item) {
  if (!item.IsNumber()) return -1;
  const double number = item.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= static_cast<double>(kMostSafeInteger)) || std::floor(number) != number) return -1;
  return static_cast<int64_t>(number);
}

struct SizeList {
  int length = -1;  // -1: not a list of at most kMaxRank
  int64_t sizes[kMaxRank] = {};
  std::string bad;  // the first entry that is no size, described
};

SizeList ReadSizes(const Napi::Value& value) {
  SizeList list;
  if (!value.IsArray()) return list;
  const Napi::Array array = value.As<Napi::Array>();
  if (array.Length() > kMaxRank) return list;
  list.length = static_cast<int>(array.Length());
  for (int i = 0; i < list.length && list.bad.empty(); ++i) {
    const Napi::Value item = array.Get(static_cast<uint32_t>(i));
    list.sizes[i] = SizeOf(item);
    if (list.sizes[i] < 0) list.bad = "got " + Describe(item) + " at position " + std::to_string(i);
  }
  return list;
}

void FillRowMajor(TensorView* view) {
  int64_t stride = 1;
  for (int i = view->rank - 1; i >= 0; --i) {
    view->strides[i] = stride;
    if (view->shape[i] > 1 && __builtin_mul_overflow(stride, view->shape[i], &stride)) stride = kMostSafeInteger;
  }
}

// The length that an array must have to hold the view, kMostSafeInteger + 1 when that is beyond any array, or -1 when
// elements may overlap: from the smallest stride to the largest, each must step over all that lies within.
int64_t NeededLength(const TensorView& view) {
  int order[kMaxRank];
  for (int i = 0; i < view.rank; ++i) {
    int k = i;
    for (; k > 0 && view.strides[order[k - 1]] > view.strides[i]; --k) order[k] = order[k - 1];
    order[k] = i;
  }
  int64_t reach = 1;
  for (int k = 0; k < view.rank; ++k) {
    const int64_t size = view.shape[order[k]], stride = view.strides[order[k]];
    if (size <= 1) continue;
    if (stride < reach) return -1;
    int64_t span = 0;
    if (__builtin_mul_overflow(size - 1, stride, &span) || __builtin_add_overflow(reach, span, &reach) ||
        reach > kMostSafeInteger) {
      return kMostSafeInteger + 1;
    }
  }
  return reach;
}

bool EmptyTooLarge(const TensorView& view) {
  int64_t product = 1;
  for (int i = 0; i < view.rank; ++i) {
    if (view.shape[i] != 0 && __builtin_mul_overflow(product, view.shape[i], &product)) return true;
  }
  return product > kMostEmptyProduct;
}

}  // namespace

TensorView Args::ReadTensor(Napi::Value value, const char* name, DType dtype) const {
  // Texts are made when they are needed: most tensors are right.
  const auto subject = [&] { return std::string(name); };
  const auto what = [&] { return subject() + " must be a " + DTypeName(dtype) + " tensor"; };
  if (!value.IsObject() || value.IsTypedArray()) Fail(ErrorCode::kArgument, what() + ", got " + Describe(value));
  const Napi::Object object = value.As<Napi::Object>();

  const Napi::Value device = object.Get("device");
  if (!device.IsString()) Fail(ErrorCode::kArgument, what() + ", got " + Describe(value) + " without a device");
  if (ShortText(device) != "cpu") {
    Fail(ErrorCode::kDevice,
         subject() + " is on device " + Describe(device) + ": this op runs on \"cpu\" only in this build");
  }
  const Napi::Value dtype_value = object.Get("dtype");
  if (!dtype_value.IsString() || ShortText(dtype_value) != DTypeName(dtype)) {
    Fail(ErrorCode::kDType, what() + ", got dtype " + Describe(dtype_value));
  }

  const Napi::Value shape_value = object.Get("shape");
  const SizeList shape = ReadSizes(shape_value);
  if (shape.length < 1) {
    Fail(ErrorCode::kShape, subject() + " must have a shape of 1 to " + std::to_string(kMaxRank) + " sizes, got " +
                                Describe(shape_value));
  }
  if (!shape.bad.empty()) Fail(ErrorCode::kShape, subject() + ": its shape must be non-negative integers, " + shape.bad);
  TensorView view;
  view.dtype = dtype;
  view.rank = shape.length;
  std::copy_n(shape.sizes, kMaxRank, view.shape);

  const Napi::Value strides_value = object.Get("strides");
  if (strides_value.IsUndefined()) {
    FillRowMajor(&view);
  } else {
    const SizeList strides = ReadSizes(strides_value);
    if (strides.length != view.rank) {
      Fail(ErrorCode::kShape, subject() + " must have as many strides as dimensions (" + std::to_string(view.rank) +
                                  "), got " + Describe(strides_value));
    }
    if (!strides.bad.empty()) {
      Fail(ErrorCode::kShape, subject() + ": its strides must be non-negative integers, " + strides.bad);
    }
    std::copy_n(strides.sizes, kMaxRank, view.strides);
  }
  return TakeData(object.Get("data"), name, view);
}

// No property is read from here on: what is found about the array stays true until the next reader.
TensorView Args::TakeData(Napi::Value data, const char* name, TensorView view) const {
  const auto subject = [&] { return std::string(name); };
  const auto described = [&] { return subject() + " of shape " + ShapeText(view.shape, view.rank); };
  const auto expected = [&] {
    return subject() + " must be a " + DTypeName(view.dtype) + " tensor over a " + ArrayName(ArrayTypeOf(view.dtype)) +
           ", got ";
  };
  if (!data.IsTypedArray()) Fail(ErrorCode::kDType, expected() + "data that is " + Describe(data));
  ArrayInfo array;
  if (!GetArrayInfo(env(), data, &array)) Fail(ErrorCode::kInternal, subject() + ": its array could not be read");
  if (array.type != ArrayTypeOf(view.dtype)) Fail(ErrorCode::kDType, expected() + "a " + ArrayName(array.type));

  const bool empty = std::count(view.shape, view.shape + view.rank, 0) > 0;
  if (empty && EmptyTooLarge(view)) Fail(ErrorCode::kShape, described() + " has no elements but is too large");
  const int64_t needed = empty ? 0 : NeededLength(view);
  if (needed < 0) {
    Fail(ErrorCode::kShape, described() + " must not overlap itself, got strides " +
                                ShapeText(view.strides, view.rank) + ": copy it first");
  }
  if (needed > static_cast<int64_t>(array.length)) {
    Fail(ErrorCode::kShape, described() + " needs " +
                                (needed > kMostSafeInteger ? "more than 2^53" : std::to_string(needed)) +
                                " elements, its array has " + std::to_string(array.length));
  }
  view.data = needed == 0 ? nothing : array.data;
  taken_.push_back({data, array.data, static_cast<size_t>(needed), subject()});
  return view;
}

void Args::CheckTaken() const {
  for (const Taken& taken : taken_) {
    ArrayInfo array;
    const bool readable = GetArrayInfo(env(), taken.array, &array);
    if (taken.length == 0 || (readable && array.data == taken.data && array.length >= taken.length)) continue;
    Fail(ErrorCode::kArgument, taken.name + ": its array was detached or resized while the arguments were read");
  }
}

}  // namespace cai
