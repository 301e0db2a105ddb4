// How a binding reads its JavaScript arguments. Every reader throws OpError saying what was expected and what came.
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
  Args(const Napi::CallbackInfo& info, const char* op) : info_(info), op_(op) {}

  Napi::Env env() const { return info_.Env(); }

  // Argument `index` as a tensor on the CPU. `name` is its name in the documentation and in errors.
  TensorView Tensor(size_t index, const char* name, DType dtype) const;
  // The same, of this shape (kAny accepts every size) and layout.
  TensorView Tensor(size_t index, const char* name, DType dtype, std::initializer_list<int64_t> shape,
                    Layout layout = Layout::kContiguous) const;
  // The same, but undefined or null gives an empty view.
  TensorView OptionalTensor(size_t index, const char* name, DType dtype) const;
  // Argument `index` as an array of tensors.
  std::vector<TensorView> Tensors(size_t index, const char* name, DType dtype) const;

  // Fields of the options object, which is argument `index`.
  class Options {
   public:
    Options(const Args& args, size_t index);
    double Number(const char* name) const;  // required, finite
    double Number(const char* name, double fallback) const;
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
  TensorView ReadTensor(Napi::Value value, const char* name, DType dtype) const;
  double ReadNumber(Napi::Value value, const char* name) const;
  int64_t ReadInteger(Napi::Value value, const char* name, int64_t least, int64_t most) const;

  const Napi::CallbackInfo& info_;
  const char* op_;
};

using Binding = Napi::Value (*)(const Args&);

// Runs a binding and turns its exceptions into a JavaScript CaiError.
Napi::Value Guarded(const Napi::CallbackInfo& info, const char* op, Binding binding);

}  // namespace cai
