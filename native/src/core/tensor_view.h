// A tensor as kernels' callers see it: a borrowed pointer with dtype, device, shape and strides. Owns nothing.
#pragma once

#include <cstdint>
#include <string>

namespace cai {

enum class DType { kFloat32, kBFloat16, kInt32, kInt8, kUInt8 };
enum class Device { kCpu, kCuda };

inline const char* DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "float32";
    case DType::kBFloat16: return "bfloat16";
    case DType::kInt32: return "int32";
    case DType::kInt8: return "int8";
    case DType::kUInt8: return "uint8";
  }
  return "unknown";
}

constexpr int kMaxRank = 5;

struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kFloat32;
  Device device = Device::kCpu;
  int rank = 0;
  int64_t shape[kMaxRank] = {};
  int64_t strides[kMaxRank] = {};  // in elements; a dimension of size 0 or 1 may have any stride

  explicit operator bool() const { return rank > 0; }  // an omitted optional tensor has rank 0

  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[i];
    return n;
  }

  // True when dimensions first..rank-1 lie row-major without gaps.
  bool contiguous(int first = 0) const {
    int64_t expected = 1;
    for (int i = rank - 1; i >= first; --i) {
      if (shape[i] > 1 && strides[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
  float* f32() const { return as<float>(); }
  int32_t* i32() const { return as<int32_t>(); }
};

inline std::string ShapeText(const int64_t* shape, int rank) {
  std::string text = "[";
  for (int i = 0; i < rank; ++i) {
    if (i) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace cai
