#include "core/guard.h"

#include <new>
#include <stdexcept>

namespace cai {
namespace {

Napi::Error MakeError(Napi::Env env, const char* op, ErrorCode code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, std::string(op) + ": " + message);
  Napi::Object object = error.Value();
  object.Set("name", Napi::String::New(env, "CaiError"));
  object.Set("code", Napi::String::New(env, ErrorCodeName(code)));
  object.Set("op", Napi::String::New(env, op));
  object.DefineProperty(
      Napi::PropertyDescriptor::Value(Napi::Symbol::For(env, "@cai/error"), Napi::Boolean::New(env, true)));
  return error;
}

Napi::Error Wrap(Napi::Env env, const char* op, const Napi::Error& thrown) {
  Napi::Error error = MakeError(env, op, ErrorCode::kArgument,
                                "reading its arguments threw an exception (see the cause): pass plain objects");
  error.Value().Set("cause", thrown.Value());
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
    throw MakeError(env, op, ErrorCode::kMemory, "out of memory: use smaller tensors or fewer at once");
  } catch (const std::length_error&) {
    throw MakeError(env, op, ErrorCode::kMemory, "a buffer would be larger than memory: use smaller tensors");
  } catch (const Napi::Error& thrown) {
    throw Wrap(env, op, thrown);
  } catch (const std::exception& error) {
    throw MakeError(env, op, ErrorCode::kInternal, error.what());
  }
}

}  // namespace cai
