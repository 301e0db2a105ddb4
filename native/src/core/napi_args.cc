#include "core/napi_args.h"

#include <cmath>
#include <new>

namespace cai {
namespace {

std::string Describe(const Napi::Value& value) {
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsString()) return "the string \"" + value.As<Napi::String>().Utf8Value() + "\"";
  if (value.IsNumber()) return "the number " + value.ToString().Utf8Value();
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value() ? "true" : "false";
  if (value.IsBigInt()) return "a bigint";
  if (value.IsArray()) return "an array";
  if (value.IsTypedArray()) return "a bare typed array";
  if (value.IsFunction()) return "a function";
  return "an object";
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
    default: return "BigInt array";
  }
}

size_t ElementSize(DType dtype) {
  switch (dtype) {
    case DType::kBFloat16: return 2;
    case DType::kInt8:
    case DType::kUInt8: return 1;
    default: return 4;
  }
}

bool IsSizeList(const Napi::Value& value) { return value.IsArray() && value.As<Napi::Array>().Length() <= kMaxRank; }

// Reads a non-negative safe integer, or returns -1.
int64_t SizeAt(const Napi::Array& list, uint32_t i) {
  const Napi::Value item = list.Get(i);
  if (!item.IsNumber()) return -1;
  const double number = item.As<Napi::Number>().DoubleValue();
  if (!(number >= 0) || number > 9007199254740991.0 || std::floor(number) != number) return -1;
  return static_cast<int64_t>(number);
}

}  // namespace

TensorView Args::ReadTensor(Napi::Value value, const char* name, DType dtype) const {
  const std::string what = std::string(name) + " must be a " + DTypeName(dtype) + " tensor";
  if (!value.IsObject() || value.IsTypedArray()) Fail(ErrorCode::kArgument, what + ", got " + Describe(value));
  const Napi::Object object = value.As<Napi::Object>();

  const Napi::Value device = object.Get("device");
  if (!device.IsString()) Fail(ErrorCode::kArgument, what + ", got " + Describe(value) + " without a device");
  if (device.As<Napi::String>().Utf8Value() != "cpu") {
    Fail(ErrorCode::kDevice, std::string(name) + " is on device " + Describe(device) +
                                 ": this op runs on \"cpu\" only in this build");
  }
  const Napi::Value dtype_value = object.Get("dtype");
  if (!dtype_value.IsString() || dtype_value.As<Napi::String>().Utf8Value() != DTypeName(dtype)) {
    Fail(ErrorCode::kDType, what + ", got dtype " + Describe(dtype_value));
  }
  const Napi::Value data = object.Get("data");
  if (!data.IsTypedArray()) Fail(ErrorCode::kDType, what + " over a typed array, got data that is " + Describe(data));

  napi_typedarray_type type;
  size_t length = 0;
  void* pointer = nullptr;
  if (napi_get_typedarray_info(env(), data, &type, &length, &pointer, nullptr, nullptr) != napi_ok) {
    Fail(ErrorCode::kInternal, std::string(name) + ": its typed array could not be read");
  }
  if (type != ArrayTypeOf(dtype)) {
    Fail(ErrorCode::kDType,
         what + " over a " + ArrayName(ArrayTypeOf(dtype)) + ", got a " + ArrayName(type));
  }

  const Napi::Value shape_value = object.Get("shape");
  if (!IsSizeList(shape_value)) {
    Fail(ErrorCode::kShape, std::string(name) + " must have a shape of at most " + std::to_string(kMaxRank) +
                                " sizes, got " + Describe(shape_value));
  }
  TensorView view;
  view.data = pointer;
  view.dtype = dtype;
  const Napi::Array shape = shape_value.As<Napi::Array>();
  view.rank = static_cast<int>(shape.Length());
  if (view.rank == 0) Fail(ErrorCode::kShape, std::string(name) + " must have at least one dimension, got shape []");
  bool empty = false;
  for (int i = 0; i < view.rank; ++i) {
    view.shape[i] = SizeAt(shape, i);
    if (view.shape[i] < 0) {
      Fail(ErrorCode::kShape, std::string(name) + ": size " + std::to_string(i) +
                                  " of its shape must be a non-negative integer, got " + Describe(shape.Get(i)));
    }
    empty = empty || view.shape[i] == 0;
  }

  const Napi::Value strides_value = object.Get("strides");
  if (strides_value.IsUndefined()) {
    int64_t stride = 1;
    for (int i = view.rank - 1; i >= 0; --i) {
      view.strides[i] = stride;
      if (view.shape[i] > 1 && __builtin_mul_overflow(stride, view.shape[i], &stride)) stride = INT64_MAX;
    }
  } else {
    if (!IsSizeList(strides_value) || static_cast<int>(strides_value.As<Napi::Array>().Length()) != view.rank) {
      Fail(ErrorCode::kShape, std::string(name) + " must have as many strides as dimensions (" +
                                  std::to_string(view.rank) + "), got " + Describe(strides_value));
    }
    const Napi::Array strides = strides_value.As<Napi::Array>();
    for (int i = 0; i < view.rank; ++i) {
      view.strides[i] = SizeAt(strides, i);
      if (view.strides[i] < 0) {
        Fail(ErrorCode::kShape, std::string(name) + ": stride " + std::to_string(i) +
                                    " must be a non-negative integer, got " + Describe(strides.Get(i)));
      }
    }
  }

  // The last element that the view reaches must lie inside the array.
  int64_t reach = 0;
  for (int i = 0; i < view.rank && !empty; ++i) {
    int64_t span = 0;
    if (__builtin_mul_overflow(view.shape[i] - 1, view.strides[i], &span) || __builtin_add_overflow(reach, span, &reach)) {
      reach = INT64_MAX - 1;
      break;
    }
  }
  const int64_t needed = empty ? 0 : reach + 1;
  if (needed > static_cast<int64_t>(length)) {
    Fail(ErrorCode::kShape, std::string(name) + " of shape " + ShapeText(view.shape, view.rank) + " needs " +
                                std::to_string(needed) + " elements, its array has " + std::to_string(length));
  }
  if (reinterpret_cast<uintptr_t>(pointer) % ElementSize(dtype) != 0) {
    Fail(ErrorCode::kArgument, std::string(name) + " must be aligned to its element size");
  }
  return view;
}

TensorView Args::Tensor(size_t index, const char* name, DType dtype) const {
  return ReadTensor(info_[index], name, dtype);
}

TensorView Args::Tensor(size_t index, const char* name, DType dtype, std::initializer_list<int64_t> shape,
                        Layout layout) const {
  const TensorView view = Tensor(index, name, dtype);
  ExpectShape(view, name, shape);
  ExpectLayout(view, name, layout);
  return view;
}

TensorView Args::OptionalTensor(size_t index, const char* name, DType dtype) const {
  const Napi::Value value = info_[index];
  if (value.IsUndefined() || value.IsNull()) return TensorView();
  return ReadTensor(value, name, dtype);
}

std::vector<TensorView> Args::Tensors(size_t index, const char* name, DType dtype) const {
  const Napi::Value value = info_[index];
  if (!value.IsArray()) {
    Fail(ErrorCode::kArgument, std::string(name) + " must be an array of tensors, got " + Describe(value));
  }
  const Napi::Array list = value.As<Napi::Array>();
  std::vector<TensorView> views;
  views.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const std::string item = std::string(name) + "[" + std::to_string(i) + "]";
    views.push_back(ReadTensor(list.Get(i), item.c_str(), dtype));
  }
  return views;
}

double Args::ReadNumber(Napi::Value value, const char* name) const {
  if (!value.IsNumber()) {
    Fail(ErrorCode::kArgument, std::string(name) + " must be a finite number, got " + Describe(value));
  }
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(number)) {
    Fail(ErrorCode::kArgument, std::string(name) + " must be a finite number, got " + Describe(value));
  }
  return number;
}

int64_t Args::ReadInteger(Napi::Value value, const char* name, int64_t least, int64_t most) const {
  const std::string expected = std::string(name) + " must be an integer from " + std::to_string(least) + " to " +
                               std::to_string(most) + ", got " + Describe(value);
  if (!value.IsNumber()) Fail(ErrorCode::kArgument, expected);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)) || std::floor(number) != number) {
    Fail(ErrorCode::kArgument, expected);
  }
  return static_cast<int64_t>(number);
}

double Args::Number(size_t index, const char* name) const { return ReadNumber(info_[index], name); }

int64_t Args::Integer(size_t index, const char* name, int64_t least, int64_t most) const {
  return ReadInteger(info_[index], name, least, most);
}

void Args::ExpectShape(const TensorView& view, const char* name, std::initializer_list<int64_t> shape) const {
  bool matches = view.rank == static_cast<int>(shape.size());
  int i = 0;
  for (int64_t size : shape) {
    if (matches && size != kAny && view.shape[i] != size) matches = false;
    ++i;
  }
  if (matches) return;
  std::string expected = "[";
  for (int64_t size : shape) {
    if (expected.size() > 1) expected += ", ";
    expected += size == kAny ? "any" : std::to_string(size);
  }
  Fail(ErrorCode::kShape, std::string(name) + " must have shape " + expected + "], got " +
                              ShapeText(view.shape, view.rank));
}

void Args::ExpectRank(const TensorView& view, const char* name, int least, int most) const {
  if (view.rank >= least && view.rank <= most) return;
  const std::string range =
      least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
  Fail(ErrorCode::kShape, std::string(name) + " must have " + range + " dimensions, got shape " +
                              ShapeText(view.shape, view.rank));
}

void Args::ExpectLayout(const TensorView& view, const char* name, Layout layout) const {
  const int first = layout == Layout::kContiguous ? 0 : view.rank - 1;
  if (view.size() == 0 || view.contiguous(first)) return;
  const std::string expected = layout == Layout::kContiguous ? " must be contiguous" : " must have a last stride of 1";
  Fail(ErrorCode::kShape, name + expected + ", got strides " + ShapeText(view.strides, view.rank) + " for shape " +
                              ShapeText(view.shape, view.rank));
}

Args::Options::Options(const Args& args, size_t index) : args_(args), object_(args.info_[index]) {
  if (!object_.IsUndefined() && (!object_.IsObject() || object_.IsArray() || object_.IsTypedArray())) {
    args_.Fail(ErrorCode::kArgument, "options must be an object, got " + Describe(object_));
  }
}

Napi::Value Args::Options::Get(const char* name) const {
  return object_.IsUndefined() ? object_ : object_.As<Napi::Object>().Get(name);
}

double Args::Options::Number(const char* name) const { return args_.ReadNumber(Get(name), name); }

double Args::Options::Number(const char* name, double fallback) const {
  const Napi::Value value = Get(name);
  return value.IsUndefined() ? fallback : args_.ReadNumber(value, name);
}

int64_t Args::Options::Integer(const char* name, int64_t least, int64_t most) const {
  return args_.ReadInteger(Get(name), name, least, most);
}

int64_t Args::Options::Integer(const char* name, int64_t least, int64_t most, int64_t fallback) const {
  const Napi::Value value = Get(name);
  return value.IsUndefined() ? fallback : args_.ReadInteger(value, name, least, most);
}

uint64_t Args::Options::Unsigned64(const char* name) const {
  const Napi::Value value = Get(name);
  if (value.IsBigInt()) {
    bool lossless = false;
    const uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return number;
    args_.Fail(ErrorCode::kArgument, std::string(name) + " must be from 0 to 2^64 - 1, got a bigint outside it");
  }
  return static_cast<uint64_t>(args_.ReadInteger(value, name, 0, 9007199254740991));
}

bool Args::Options::Flag(const char* name) const {
  const Napi::Value value = Get(name);
  if (value.IsUndefined()) return false;
  if (!value.IsBoolean()) {
    args_.Fail(ErrorCode::kArgument, std::string(name) + " must be true or false, got " + Describe(value));
  }
  return value.As<Napi::Boolean>().Value();
}

TensorView Args::Options::OptionalTensor(const char* name, DType dtype) const {
  const Napi::Value value = Get(name);
  if (value.IsUndefined() || value.IsNull()) return TensorView();
  return args_.ReadTensor(value, name, dtype);
}

int Args::Options::Choice(const char* name, std::initializer_list<const char*> choices, int fallback) const {
  const Napi::Value value = Get(name);
  if (value.IsUndefined()) return fallback;
  std::string list;
  int position = 0;
  const std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
  for (const char* choice : choices) {
    if (value.IsString() && text == choice) return position;
    list += (position++ ? ", \"" : "\"") + std::string(choice) + "\"";
  }
  args_.Fail(ErrorCode::kArgument, std::string(name) + " must be one of " + list + ", got " + Describe(value));
}

namespace {

Napi::Error MakeError(Napi::Env env, const char* op, ErrorCode code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, std::string(op) + ": " + message);
  error.Set("name", Napi::String::New(env, "CaiError"));
  error.Set("code", Napi::String::New(env, ErrorCodeName(code)));
  error.Set("op", Napi::String::New(env, op));
  error.Value().Set(Napi::Symbol::For(env, "@cai/error"), Napi::Boolean::New(env, true));
  return error;
}

}  // namespace

Napi::Value Guarded(const Napi::CallbackInfo& info, const char* op, Binding binding) {
  const Napi::Env env = info.Env();
  try {
    return binding(Args(info, op));
  } catch (const OpError& error) {
    throw MakeError(env, op, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    throw MakeError(env, op, ErrorCode::kMemory, "out of memory");
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw MakeError(env, op, ErrorCode::kInternal, error.what());
  }
}

}  // namespace cai
