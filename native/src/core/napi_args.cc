#include "core/napi_args.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace cai {

std::string ShortText(const Napi::Value& string) {
  char text[64];
  size_t length = 0;
  if (napi_get_value_string_utf8(string.Env(), string, text, sizeof text, &length) != napi_ok) return "";
  return std::string(text, length);
}

std::string Describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number: return "the number " + value.ToString().Utf8Value();
    case napi_bigint: return "a bigint";
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_string: {
      const std::string text = ShortText(value);
      return "the string \"" + (text.size() > 40 ? text.substr(0, 40) + "..." : text) + "\"";
    }
    default: break;
  }
  if (value.IsArray()) return "an array of length " + std::to_string(value.As<Napi::Array>().Length());
  return value.IsTypedArray() ? "a bare typed array" : "an object";
}

TensorView Args::Tensor(size_t index, const char* name, DType dtype) const {
  const TensorView view = ReadTensor(info_[index], name, dtype);
  CheckTaken();
  return view;
}

TensorView Args::Tensor(size_t index, const char* name, DType dtype, std::initializer_list<int64_t> shape,
                        Layout layout) const {
  const TensorView view = Tensor(index, name, dtype);
  ExpectShape(view, name, shape);
  ExpectLayout(view, name, layout);
  return view;
}

TensorView Args::TensorLike(size_t index, const char* name, const TensorView& like, DType dtype) const {
  const TensorView view = Tensor(index, name, dtype);
  if (view.rank != like.rank || !std::equal(view.shape, view.shape + view.rank, like.shape)) {
    Fail(ErrorCode::kShape, std::string(name) + " must have shape " + ShapeText(like.shape, like.rank) + ", got " +
                                ShapeText(view.shape, view.rank));
  }
  ExpectLayout(view, name, Layout::kContiguous);
  return view;
}

TensorView Args::OptionalTensor(size_t index, const char* name, DType dtype) const {
  const Napi::Value value = info_[index];
  if (value.IsUndefined() || value.IsNull()) return TensorView();
  return Tensor(index, name, dtype);
}

DType Args::DTypeAmong(size_t index, std::initializer_list<DType> choices) const {
  const Napi::Value value = info_[index];
  if (!value.IsObject()) return *choices.begin();
  const Napi::Value dtype = value.As<Napi::Object>().Get("dtype");
  const std::string name = dtype.IsString() ? ShortText(dtype) : std::string();
  for (DType choice : choices) {
    if (name == DTypeName(choice)) return choice;
  }
  return *choices.begin();
}

std::vector<TensorView> Args::Tensors(size_t index, const char* name, DType dtype) const {
  const Napi::Value value = info_[index];
  if (!value.IsArray()) {
    Fail(ErrorCode::kArgument, std::string(name) + " must be an array of tensors, got " + Describe(value));
  }
  const Napi::Array list = value.As<Napi::Array>();
  std::vector<TensorView> views;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const std::string item = std::string(name) + "[" + std::to_string(i) + "]";
    views.push_back(ReadTensor(list.Get(i), item.c_str(), dtype));
  }
  CheckTaken();
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
  if (object_.IsUndefined()) return object_;
  const Napi::Value value = object_.As<Napi::Object>().Get(name);
  args_.CheckTaken();
  return value;
}

double Args::Options::Number(const char* name) const { return args_.ReadNumber(Get(name), name); }

double Args::Options::Number(const char* name, double fallback) const {
  const Napi::Value value = Get(name);
  return value.IsUndefined() ? fallback : args_.ReadNumber(value, name);
}

double Args::Options::NumberIn(const char* name, double least, double most) const {
  const Napi::Value value = Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (number >= least && number <= most) return number;
  char range[80];
  std::snprintf(range, sizeof range, " must be a number from %.9g to %.9g, got ", least, most);
  args_.Fail(ErrorCode::kArgument, name + (range + Describe(value)));
}

float Args::Options::Float(const char* name, float fallback) const {
  const Napi::Value value = Get(name);
  if (value.IsUndefined()) return fallback;
  const double number = args_.ReadNumber(value, name);
  if (std::fabs(number) > static_cast<double>(std::numeric_limits<float>::max())) {
    args_.Fail(ErrorCode::kArgument, std::string(name) + " must be a finite float32, got " + Describe(value));
  }
  return static_cast<float>(number);
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
  const TensorView view = args_.ReadTensor(value, name, dtype);
  args_.CheckTaken();
  return view;
}

int Args::Options::Choice(const char* name, std::initializer_list<const char*> choices, int fallback) const {
  const Napi::Value value = Get(name);
  if (value.IsUndefined()) return fallback;
  std::string list;
  int position = 0;
  const std::string text = value.IsString() ? ShortText(value) : std::string();
  for (const char* choice : choices) {
    if (value.IsString() && text == choice) return position;
    list += (position++ ? ", \"" : "\"") + std::string(choice) + "\"";
  }
  args_.Fail(ErrorCode::kArgument, std::string(name) + " must be one of " + list + ", got " + Describe(value));
}

}  // namespace cai
