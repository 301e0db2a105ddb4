// The one exception of the native core. Bindings throw it for bad arguments, kernels for memory they can't get;
// the guard around every op turns it into a JavaScript CaiError.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace cai {

// Codes are part of the public interface: js/error.ts lists the same names.
enum class ErrorCode { kArgument, kShape, kDType, kDevice, kMemory, kInternal, kLoad, kComm };

inline const char* ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kArgument: return "E_ARGUMENT";
    case ErrorCode::kShape: return "E_SHAPE";
    case ErrorCode::kDType: return "E_DTYPE";
    case ErrorCode::kDevice: return "E_DEVICE";
    case ErrorCode::kMemory: return "E_MEMORY";
    case ErrorCode::kInternal: return "E_INTERNAL";
    case ErrorCode::kLoad: return "E_LOAD";
    case ErrorCode::kComm: return "E_COMM";
  }
  return "E_INTERNAL";
}

class OpError : public std::exception {
 public:
  OpError(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  ErrorCode code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_;
};

}  // namespace cai
