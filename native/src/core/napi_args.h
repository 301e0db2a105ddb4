// How a binding reads its JavaScript arguments. Every reader throws OpError saying what was expected and what came.
//
// Reading a property can run JavaScript (a getter, a proxy), which may detach or shrink an array that was read before. So
// every reader that reads properties ends by checking all arrays taken so far again: whatever the order in which a
// binding reads, no pointer is stale when its kernel starts. docs/decisions/0003 has the reasoning.
#pragma once

#include <napi.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/tensor_view.h"

namespace cai {

// A dimension that may be anything.
constexpr int64_t kAny = -1;

// kDenseRows: only the innermost dimension must be without gaps.
enum class Layout { kContiguous, kDenseRows };

class Args {
 public:
  Args(const Napi::CallbackInfo& info, const char* op) : info_(info), op_(op) { taken_.reserve(12); }

  Napi::Env env() const { return info_.Env(); }
  // Argument `index` as it came, undefined where there is none.
  Napi::Value value(size_t index) const { return info_[index]; }

  // Argument `index` as a tensor on the CPU. `name` is its name in the documentation and in errors. Its elements are
  // distinct: strides that make them overlap are refused. `data` is never null, not even for a tensor without elements.
  TensorView Tensor(size_t index, const char* name, DType dtype) const;
  // The same, of this shape (kAny accepts every size) and layout.
  TensorView Tensor(size_t index, const char* name, DType dtype, std::initializer_list<int64_t> shape,
                    Layout layout = Layout::kContiguous) const;
  // The same, contiguous and of the shape of `like`.
  TensorView TensorLike(size_t index, const char* name, const TensorView& like, DType dtype = DType::kFloat32) const;
  // The same, but undefined or null gives an empty view.
  TensorView OptionalTensor(size_t index, const char* name, DType dtype) const;
  // The dtype of argument `index` where it is one of `choices`, otherwise the first of them.
  DType DTypeAmong(size_t index, std::initializer_list<DType> choices) const;
  // Argument `index` as an array of tensors.
  std::vector<TensorView> Tensors(size_t index, const char* name, DType dtype) const;

  // Fields of the options object, which is argument `index`.
  class Options {
   public:
    Options(const Args& args, size_t index);
    double Number(const char* name) const;  // required, finite
    double Number(const char* name, double fallback) const;
    double NumberIn(const char* name, double least, double most) const;  // required
    float Float(const char* name, float fallback) const;                 // finite in float32
    int64_t Integer(const char* name, int64_t least, int64_t most) const;
    int64_t Integer(const char* name, int64_t least, int64_t most, int64_t fallback) const;
    uint64_t Unsigned64(const char* name) const;  // a bigint or a non-negative safe integer
    bool Flag(const char* name) const;            // absent means false
    TensorView OptionalTensor(const char* name, DType dtype) const;
    // The position of the string `name` among `choices`; `fallback` where it is absent.
    int Choice(const char* name, std::initializer_list<const char*> choices, int fallback) const;

   private:
    Napi::Value Get(const char* name) const;
    const Args& args_;
    Napi::Value object_;
  };
  Options options(size_t index) const { return Options(*this, index); }

  double Number(size_t index, const char* name) const;
  int64_t Integer(size_t index, const char* name, int64_t least, int64_t most) const;

  // Throws unless `view` has exactly this shape; kAny accepts every size.
  void ExpectShape(const TensorView& view, const char* name, std::initializer_list<int64_t> shape) const;
  void ExpectRank(const TensorView& view, const char* name, int least, int most) const;
  void ExpectLayout(const TensorView& view, const char* name, Layout layout) const;

  [[noreturn]] void Fail(ErrorCode code, const std::string& message) const { throw OpError(code, message); }

  const char* op() const { return op_; }

 private:
  // An array that a view points into.
  struct Taken {
    napi_value array;
    void* data;
    size_t length;
    std::string name;
  };

  // Reads one tensor and notes its array; the caller must call CheckTaken afterwards.
  TensorView ReadTensor(Napi::Value value, const char* name, DType dtype) const;
  TensorView TakeData(Napi::Value data, const char* name, TensorView view) const;
  void CheckTaken() const;
  double ReadNumber(Napi::Value value, const char* name) const;
  int64_t ReadInteger(Napi::Value value, const char* name, int64_t least, int64_t most) const;

  const Napi::CallbackInfo& info_;
  const char* op_;
  mutable std::vector<Taken> taken_;
};

// A value in the words of an error message; runs no JavaScript.
std::string Describe(const Napi::Value& value);
// The beginning of a string: enough to compare with a name or to show.
std::string ShortText(const Napi::Value& string);

}  // namespace cai
