#include <napi.h>

#include <atomic>

#include "communicator/communicator_binding.h"
#include "core/guard.h"
#include "core/thread_pool.h"
#include "op_table.h"

namespace cai {

#define CAI_DECLARE(function, name) Napi::Value function(const Args& args);
CAI_OPS(CAI_DECLARE)
#undef CAI_DECLARE

namespace {

template <Binding binding>
Napi::Value Call(const Napi::CallbackInfo& info) {
  return Guarded(info, static_cast<const char*>(info.Data()), binding);
}

std::atomic<int> live_environments{0};

void LeaveEnvironment(void*) {
  if (live_environments.fetch_sub(1) == 1) ThreadPool::Get().Shutdown();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  live_environments.fetch_add(1);
  napi_add_env_cleanup_hook(env, LeaveEnvironment, nullptr);
#define CAI_REGISTER(function, name) \
  exports.Set(name, Napi::Function::New<Call<function>>(env, name, const_cast<char*>(name)));
  CAI_OPS(CAI_REGISTER)
#undef CAI_REGISTER
  // Not enumerable: it is no op.
  exports.DefineProperty(Napi::PropertyDescriptor::Value("communicator", CommunicatorExports(env), napi_default));
  return exports;
}

}  // namespace
}  // namespace cai

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return cai::Init(env, exports); }
NODE_API_MODULE(NODE_GYP_MODULE_NAME, InitAddon)
